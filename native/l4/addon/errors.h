/* SPDX-License-Identifier: MIT */
/*
 * errors.h: the failures this addon knows. Native code throws them as C++ exceptions; js.cpp turns each into the matching JavaScript
 * error at the border and nowhere else. The codes are those of src/l4/native-error.ts.
 */
#ifndef TANDEM_ADDON_ERRORS_H
#define TANDEM_ADDON_ERRORS_H

#include <string>

namespace tandem {

/* An expected failure: becomes NativeError. */
struct NativeError {
  std::string code;
  std::string message;
  int error_number = 0;
  std::string hint;
  std::string verifier_log;
};

/* Wrong argument type: becomes TypeError. */
struct TypeMistake {
  std::string message;
};

/* Wrong length or value: becomes RangeError. */
struct RangeMistake {
  std::string message;
};

/* "what: text of errno (NAME)". */
std::string describe_errno(const std::string &what, int error_number);

/* EPERM and EACCES become NO_PRIVILEGE with the command that mends it, everything else SYSCALL. */
[[noreturn]] void throw_errno(const std::string &what, int error_number);

[[noreturn]] void throw_no_privilege(const std::string &what, int error_number);

}  // namespace tandem

#endif
