// A device for torch whose memory is the host's: PrivateUse1, to be renamed "standin" from Python.
//
// What torch must have of a device is here: an allocator, a guard, hooks, and the operators that make or view memory.
// Every other operator goes to the CPU: its tensors are copied there, and its results back (at::native::cpu_fallback).
// Two things are refused as on real devices: tensors of the host among tensors of the device, and, on demand, float64.

#include <ATen/EmptyTensor.h>
#include <ATen/detail/PrivateUse1HooksInterface.h>
#include <ATen/native/CPUFallback.h>
#include <ATen/ops/_local_scalar_dense_native.h>
#include <ATen/ops/_reshape_alias_native.h>
#include <ATen/ops/as_strided_native.h>
#include <ATen/ops/convolution.h>
#include <ATen/ops/convolution_backward.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/resize_native.h>
#include <ATen/ops/set_native.h>
#include <ATen/ops/unfold_native.h>
#include <ATen/ops/view_native.h>
#include <c10/core/CPUAllocator.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <torch/library.h>

#include <atomic>

namespace {

constexpr auto kStandIn = c10::DeviceType::PrivateUse1;
const c10::Device kDevice(kStandIn, 0);
const c10::Stream kStream(c10::Stream::DEFAULT, kDevice);

std::atomic<bool> refuses_double{false};

// -- what torch wants to know of a device ----------------------------------------------------------------------------

struct HostMemory final : c10::Allocator {
  c10::DataPtr allocate(size_t bytes) override {
    c10::DataPtr host = c10::GetCPUAllocator()->allocate(bytes);
    void *data = host.get(), *context = host.get_context();
    auto release = host.get_deleter();
    host.release_context();
    return {data, context, release, kDevice};
  }
  c10::DeleterFnPtr raw_deleter() const override { return c10::GetCPUAllocator()->raw_deleter(); }
  void copy_data(void* to, const void* from, size_t bytes) const override { default_copy_data(to, from, bytes); }
};

HostMemory memory;
REGISTER_ALLOCATOR(kStandIn, &memory);

struct Guard final : c10::impl::NoOpDeviceGuardImpl<kStandIn> {
  c10::Device exchangeDevice(c10::Device) const override { return kDevice; }
  c10::Device getDevice() const override { return kDevice; }
  c10::Stream getStream(c10::Device) const noexcept override { return kStream; }
  c10::Stream exchangeStream(c10::Stream) const noexcept override { return kStream; }
};

C10_REGISTER_GUARD_IMPL(PrivateUse1, Guard);

struct Hooks final : at::PrivateUse1HooksInterface {
  bool isBuilt() const override { return true; }
  bool isAvailable() const override { return true; }
  bool hasPrimaryContext(c10::DeviceIndex) const override { return true; }
  c10::DeviceIndex deviceCount() const override { return 1; }
  c10::DeviceIndex getCurrentDevice() const override { return 0; }
};

// -- operators that make or view memory ------------------------------------------------------------------------------

c10::ScalarType accepted(std::optional<c10::ScalarType> wanted) {
  const auto type = wanted.value_or(c10::get_default_dtype_as_scalartype());
  TORCH_CHECK_TYPE(type != c10::kDouble || !refuses_double, "the stand-in device has no float64 now, like MPS");
  return type;
}

at::Tensor empty(c10::IntArrayRef size, std::optional<c10::ScalarType> type, std::optional<c10::Layout>,
                 std::optional<c10::Device>, std::optional<bool>, std::optional<c10::MemoryFormat> format) {
  return at::detail::empty_generic(size, &memory, c10::DispatchKeySet(c10::DispatchKey::PrivateUse1), accepted(type),
                                   format);
}

at::Tensor empty_strided(c10::IntArrayRef size, c10::IntArrayRef stride, std::optional<c10::ScalarType> type,
                         std::optional<c10::Layout>, std::optional<c10::Device>, std::optional<bool>) {
  return at::detail::empty_strided_generic(size, stride, &memory, c10::DispatchKeySet(c10::DispatchKey::PrivateUse1),
                                           accepted(type));
}

// The same memory as a tensor of the host.
at::Tensor on_host(const at::Tensor& tensor) {
  if (tensor.is_cpu()) return tensor;
  auto host = at::from_blob(tensor.data_ptr(), tensor.sizes(), tensor.strides(), tensor.options().device(c10::kCPU));
  return tensor.is_conj() ? host.conj() : tensor.is_neg() ? host._neg_view() : host;
}

at::Tensor copy_from(const at::Tensor& from, const at::Tensor& to, bool) {
  on_host(to).copy_(on_host(from));
  return to;
}

at::Tensor copy_from_and_resize(const at::Tensor& from, const at::Tensor& to) {
  if (to.sizes() != from.sizes()) at::native::resize_(to, from.sizes(), std::nullopt);
  return copy_from(from, to, false);
}

// The two operators that torch's convolution asks of a device it does not know.
at::Tensor convolution(const at::Tensor& image, const at::Tensor& weight, const std::optional<at::Tensor>& bias,
                       at::IntArrayRef stride, at::IntArrayRef padding, at::IntArrayRef dilation, bool transposed,
                       at::IntArrayRef output_padding, int64_t groups) {
  const auto offset = bias && bias->defined() ? std::optional(on_host(*bias)) : std::nullopt;
  return at::convolution(on_host(image), on_host(weight), offset, stride, padding, dilation, transposed, output_padding,
                         groups).to(kDevice);
}

std::tuple<at::Tensor, at::Tensor, at::Tensor> convolution_backward(
    const at::Tensor& upstream, const at::Tensor& image, const at::Tensor& weight, at::IntArrayRef stride,
    at::IntArrayRef padding, at::IntArrayRef dilation, bool transposed, at::IntArrayRef output_padding, int64_t groups,
    std::array<bool, 3> wanted) {
  auto [by_image, by_weight, by_bias] =
      at::convolution_backward(on_host(upstream), on_host(image), on_host(weight), std::nullopt, stride, padding,
                               dilation, transposed, output_padding, groups, wanted);
  const auto there = [](const at::Tensor& part) { return part.defined() ? part.to(kDevice) : part; };
  return {there(by_image), there(by_weight), there(by_bias)};
}

at::Scalar number(const at::Tensor& tensor) { return at::native::_local_scalar_dense_cpu(on_host(tensor)); }

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  m.impl("empty.memory_format", &empty);
  m.impl("empty_strided", &empty_strided);
  m.impl("_copy_from", &copy_from);
  m.impl("_copy_from_and_resize", &copy_from_and_resize);
  m.impl("_local_scalar_dense", &number);
  m.impl("convolution_overrideable", &convolution);
  m.impl("convolution_backward_overrideable", &convolution_backward);
  m.impl("as_strided", &at::native::as_strided_tensorimpl);
  m.impl("view", &at::native::view);
  m.impl("_reshape_alias", &at::native::_reshape_alias);
  m.impl("unfold", &at::native::unfold);
  m.impl("resize_", &at::native::resize_);
  m.impl("set_.source_Tensor", &at::native::set_tensor_);
  m.impl("set_.source_Storage", static_cast<at::Tensor& (*)(at::Tensor&, at::Storage)>(&at::native::set_));
  m.impl("set_.source_Storage_storage_offset", &at::native::set_storage_cpu_);
}

// -- every other operator --------------------------------------------------------------------------------------------

void check_place(const at::Tensor& tensor, const std::string& name) {
  const bool elsewhere = tensor.defined() && tensor.is_cpu() && tensor.dim() > 0;  // numbers may come from the host
  TORCH_CHECK(!elsewhere, name, " got a tensor of the host, ", tensor.sizes(), ", among those of the stand-in device");
}

// As on CUDA, where indices may lie on the host.
void check_places(const c10::OperatorHandle& op, const torch::jit::Stack& stack) {
  const std::string name = op.operator_name().name;
  if (name.find("index") != std::string::npos && name.find("select") == std::string::npos) return;
  for (const auto& value : torch::jit::last(stack, op.schema().arguments().size())) {
    if (value.isTensor()) check_place(value.toTensor(), name);
    if (value.isTensorList()) {
      for (const at::Tensor& tensor : value.toTensorVector()) check_place(tensor, name);
    }
  }
}

void by_the_cpu(const c10::OperatorHandle& op, torch::jit::Stack* stack) {
  check_places(op, *stack);
  at::native::cpu_fallback(op, stack, /*error_on_views=*/true);
}

TORCH_LIBRARY_IMPL(_, PrivateUse1, m) { m.fallback(torch::CppFunction::makeFromBoxedFunction<&by_the_cpu>()); }

}  // namespace

extern "C" {

void standin_setup() { at::RegisterPrivateUse1HooksInterface(new Hooks); }
void standin_refuse_double(bool refuse) { refuses_double = refuse; }
}
