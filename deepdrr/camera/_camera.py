"""`Camera`: where the source and the detector are, and which pixel sees which point."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor

from deepdrr.camera._checks import check_alike, check_camera, check_tensor
from deepdrr.camera._conversions import carm_pose, intrinsics_from_detector, split_projection_matrix
from deepdrr.camera._inverse import inverse_intrinsics, parts_from_inverse
from deepdrr.camera._parts import Parts, batch_of, cropped_k, nth_parts, parts_from_krt, parts_on, stacked_parts
from deepdrr.camera._pixels import RayLines, ray_ends, ray_lines
from deepdrr.camera._projection import backprojected, pinhole_matrix, projected
from deepdrr.geometry import ArrayLike, invert_rigid

__all__ = ["Camera"]


@dataclass(frozen=True, eq=False)
class Camera:
    """A pinhole (or orthographic) camera with a flat detector, batched.

    The frame is Hartley and Zisserman's (Multiple View Geometry, ch. 6): origin at the source, z along the principal
    axis from source to detector, the detector plane at z = sdd. A point p in the camera's frame falls on

        (u, v) = K (x, y, z) / z    (perspective)        (u, v) = K (x, y, sdd) / sdd    (orthographic)

    with the centre of the pixel in row r and column c at (u, v) = (c + 0.5, r + 0.5). A negative K[0, 0] is a detector
    whose columns run the other way: the picture as seen from the detector's side.

    Attributes:
        intrinsics: K [..., 3, 3], upper triangular, in pixels.
        camera_from_world: rigid transforms [..., 4, 4], mm.
        sdd_mm: source-to-detector distances [...], mm.
        height, width: number of detector rows and columns.
        orthographic: parallel rays along z instead of a point source.

    The leading dimensions of the three tensors broadcast to `batch_shape`.

    Example:
        >>> camera = Camera.carm(sdd_mm=1020, sid_mm=530, height=100, width=200, pixel_mm=1.0)
        >>> camera.project_points(torch.zeros(1, 3, dtype=torch.float64))  # the isocenter: the detector's centre
        tensor([[100.,  50.]], dtype=torch.float64)
    """

    intrinsics: Tensor
    camera_from_world: Tensor
    sdd_mm: Tensor
    height: int
    width: int
    orthographic: bool = False

    def __post_init__(self) -> None:
        check_camera(*self._parts, self.height, self.width, self.orthographic)
        object.__setattr__(self, "height", int(self.height))
        object.__setattr__(self, "width", int(self.width))

    # -- constructors ------------------------------------------------------------------------------------------------

    @classmethod
    def carm(
        cls,
        *,
        sdd_mm: float,
        sid_mm: float,
        height: int,
        width: int,
        pixel_mm: float,
        angles_deg: Sequence[float] = (0.0, 0.0, 0.0),
        isocenter: ArrayLike = (0.0, 0.0, 0.0),
        viewed_from: str = "detector",
    ) -> Self:
        """The camera of a C-arm, the beam's centre through the isocenter and the detector's centre.

        Args:
            sdd_mm: source-to-detector distance, mm.
            sid_mm: source-to-isocenter distance, mm, less than `sdd_mm`.
            height, width: detector rows and columns.
            pixel_mm: side of a (square) pixel, mm.
            angles_deg: (alpha, beta, gamma), see `deepdrr.geometry.world_from_carm`.
            isocenter: point of the world [3] about which the arm turns, mm.
            viewed_from: `"detector"`: the picture as seen from the detector's side, so that at zero angles one
                faces the patient, the patient's right on the picture's left; `"source"`: its mirror image.

        Returns:
            An unbatched float64 camera.
        """
        return cls(
            intrinsics=intrinsics_from_detector(sdd_mm, height, width, pixel_mm, viewed_from),
            camera_from_world=carm_pose(sdd_mm, sid_mm, angles_deg, isocenter),
            sdd_mm=torch.tensor(float(sdd_mm), dtype=torch.float64),
            height=height,
            width=width,
        )

    @classmethod
    def from_krt(
        cls, intrinsics: Tensor, rotation: Tensor, translation: Tensor, *, height: int, width: int, sdd_mm: float
    ) -> Self:
        """The camera of OpenCV's K, R, t: K (R p_world + t), pixel centres at +0.5.

        Args:
            intrinsics: K [..., 3, 3]. OpenCV counts pixel centres at integers: add 0.5 to its principal point.
            rotation: R [..., 3, 3].
            translation: t [..., 3], mm.
            height, width: detector rows and columns.
            sdd_mm: source-to-detector distance, mm; with it the pixel size follows from K.
        """
        return cls(*parts_from_krt(intrinsics, rotation, translation, sdd_mm), height, width)

    @classmethod
    def from_projection_matrix(cls, matrix: Tensor, *, height: int, width: int, sdd_mm: float) -> Self:
        """The camera of a 3×4 matrix P ~ K [R | t], by RQ decomposition (Hartley and Zisserman, §6.2.4).

        P is defined up to a factor; its sign is taken so that (P p)₃ > 0 for points in front of the source, as
        `projection_matrix` writes it. Where det of the left 3×3 block is negative the detector's columns are mirrored
        and K[0, 0] < 0.

        Args:
            matrix: P [..., 3, 4], from world mm to pixels.
            height, width: detector rows and columns.
            sdd_mm: source-to-detector distance, mm.
        """
        intrinsics, rotation, translation = split_projection_matrix(matrix)
        return cls.from_krt(intrinsics, rotation, translation, height=height, width=width, sdd_mm=sdd_mm)

    @classmethod
    def from_inverse(
        cls,
        k_inv: Tensor,
        rt_inv: Tensor,
        sdd_mm: Tensor | float,
        height: int,
        width: int,
        *,
        orthographic: bool = False,
    ) -> Self:
        """The camera that `k_inv` and `rt_inv` describe, see `deepdrr.camera.make_k_inv` and `make_rt_inv`.

        Args:
            k_inv: inverse intrinsics [*B, 3, 3]; pixel (u, v) looks along k_inv (u, v, 1).
            rt_inv: world_from_camera, affine [*B, 4, 4], mm. A reflection mirrors the detector's columns.
            sdd_mm: source-to-detector distance along the z of rt_inv, [*B] or a number, mm. Batches broadcast.
            height, width: detector rows and columns.
            orthographic: parallel rays along z instead of a point source.

        Returns:
            A camera whose pixels are where those of k_inv and rt_inv are, in float64 where the device has it.
            Gradients flow to k_inv, rt_inv and sdd_mm.

        Raises:
            TypeError: if one of the three is not of floating-point numbers, or `orthographic` not a bool.
            ValueError: if a shape, a matrix or a number is not acceptable, or if parallel rays would meet the detector
                at an angle.

        Example:
            >>> from deepdrr.camera import make_k_inv, make_rt_inv
            >>> k_inv = make_k_inv(1000.0, 2.0, 2.0, 0.0, 0.0, height=100, width=200)
            >>> rt_inv = make_rt_inv(torch.zeros(1, 3), torch.tensor([[0.0, 600.0, 0.0]]))
            >>> camera = Camera.from_inverse(k_inv, rt_inv, 1000.0, 100, 200)
            >>> camera.project_points(torch.zeros(1, 3)).round(decimals=3)  # the point that the camera orbits
            tensor([[[100.,  50.]]])
        """
        return cls(*parts_from_inverse(k_inv, rt_inv, sdd_mm, orthographic=orthographic), height, width, orthographic)

    @classmethod
    def stack(cls, cameras: Sequence[Self]) -> Self:
        """One batched camera from several of the same detector size and projection.

        Raises:
            ValueError: if there are none, or their heights, widths or projections differ.
        """
        check_alike([(c.height, c.width, c.orthographic) for c in cameras])
        return cameras[0]._with(stacked_parts([c._parts for c in cameras]))

    # -- geometry ----------------------------------------------------------------------------------------------------

    @property
    def batch_shape(self) -> torch.Size:
        """Leading dimensions shared by intrinsics, pose and distance."""
        return batch_of(self._parts)

    @property
    def k_inv(self) -> Tensor:
        """Inverse intrinsics [..., 3, 3], the first argument of `from_inverse`: upper triangular, last row 0 0 1."""
        return inverse_intrinsics(self.intrinsics)

    @property
    def rt_inv(self) -> Tensor:
        """world_from_camera [..., 4, 4] under the name that `from_inverse` and `render` know it by, mm."""
        return self.world_from_camera

    @property
    def world_from_camera(self) -> Tensor:
        """Inverse of the pose [..., 4, 4], mm."""
        return invert_rigid(self.camera_from_world)

    @property
    def source_world(self) -> Tensor:
        """Position of the source [..., 3], mm."""
        return self.world_from_camera[..., :3, 3]

    @property
    def principal_axis_world(self) -> Tensor:
        """Unit direction [..., 3] from the source, perpendicular to the detector."""
        return self.camera_from_world[..., 2, :3]

    @property
    def pixel_spacing_mm(self) -> tuple[Tensor, Tensor]:
        """Size of a pixel on the detector (between rows, between columns), each [...], mm: sdd / |f|."""
        focal = self.intrinsics.diagonal(dim1=-2, dim2=-1).abs()
        return self.sdd_mm / focal[..., 1], self.sdd_mm / focal[..., 0]

    @property
    def projection_matrix(self) -> Tensor:
        """P = K [R | t], [..., 3, 4], with (P p)₃ the depth in mm.

        Raises:
            ValueError: for an orthographic camera, which has no pinhole.
        """
        return pinhole_matrix(self._parts, orthographic=self.orthographic)

    def project_points(self, points_world: Tensor) -> Tensor:
        """Where points fall on the detector.

        Args:
            points_world: [..., N, 3] or [3], mm; the batch broadcasts against `batch_shape`.

        Returns:
            (u, v) [..., N, 2] or [..., 2], pixels, centres at +0.5. NaN for a point in the source's plane or behind it
            (perspective): it has no image.
        """
        return projected(points_world, self._parts, orthographic=self.orthographic)

    def backproject(self, pixels: Tensor, depth_mm: Tensor | float | None = None) -> Tensor:
        """Points of the world seen at given image coordinates.

        Args:
            pixels: (u, v) [..., N, 2], pixels.
            depth_mm: distance from the source along the principal axis [..., N] or a number, mm; by default
                the plane of the detector (sdd).

        Returns:
            points_world [..., N, 3], mm.
        """
        return backprojected(pixels, depth_mm, self._parts, orthographic=self.orthographic)

    def pixel_rays(self) -> tuple[Tensor, Tensor]:
        """The ray of every pixel, from the source to the pixel's centre on the detector.

        Returns:
            (source, target), each [..., H, W, 3] in world mm. For a point source the first is an expanded view.
        """
        return ray_ends(self._parts, self.height, self.width, orthographic=self.orthographic)

    def pixel_lines(self) -> RayLines:
        """The same rays in a compact form, without a gradient: float64 arrays of NumPy.

        Returns:
            (rows, columns) of the source, (rows, columns) of the target: each end is the sum of one for its row and one
            for its column of pixels, and broadcasts to [..., H, W, 3], world mm.
        """
        return ray_lines(self._parts, self.height, self.width, orthographic=self.orthographic)

    # -- variations --------------------------------------------------------------------------------------------------

    def __getitem__(self, index: int) -> Self:
        """One camera of a batch."""
        return self._with(nth_parts(self._parts, index))

    def resized(self, height: int, width: int) -> Self:
        """The same detector area read out with another number of pixels (binning or finer sampling)."""
        scale = self.intrinsics.new_tensor([width / self.width, height / self.height, 1.0])
        return replace(self, intrinsics=scale[:, None] * self.intrinsics, height=height, width=width)

    def cropped(self, top: int, left: int, height: int, width: int) -> Self:
        """A window of the detector: rows top … top + height, columns left … left + width; may reach outside."""
        return replace(self, intrinsics=cropped_k(self.intrinsics, top, left), height=height, width=width)

    def moved(self, world_from_world: Tensor) -> Self:
        """The camera carried along by a rigid motion of the world [..., 4, 4], mm."""
        check_tensor(world_from_world, "world_from_world", 4, 4)
        pose = self.camera_from_world @ invert_rigid(world_from_world.to(self.camera_from_world.dtype))
        return replace(self, camera_from_world=pose)

    def to(self, *args: torch.device | torch.dtype | str) -> Self:
        """The same camera on another device or with another floating-point type, itself if it is so, as `Tensor.to`.

        Raises:
            ValueError: for a device that torch cannot use here.
        """
        moved = parts_on(self._parts, *args)
        same = all(new is old for new, old in zip(moved, self._parts, strict=True))
        return self if same else self._with(moved)

    @property
    def _parts(self) -> Parts:
        return self.intrinsics, self.camera_from_world, self.sdd_mm

    def _with(self, parts: Parts) -> Self:
        return replace(self, intrinsics=parts[0], camera_from_world=parts[1], sdd_mm=parts[2])
