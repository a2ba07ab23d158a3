"""PTX text → C++: one function per kernel, one call per thread."""
