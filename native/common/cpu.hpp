// Which vector instructions this processor has, asked once at run time.
#pragma once

namespace gypsum {

inline bool has_avx2() {
#if defined(__x86_64__)
  static const bool found = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  return found;
#else
  return false;
#endif
}

}  // namespace gypsum
