/* SPDX-License-Identifier: MIT */
#include "file-lock.h"

#include <fcntl.h>
#include <sys/file.h>

#include <cerrno>
#include <memory>

#include "resources.h"

namespace tandem {
namespace {

class FileLockHandle {
 public:
  static const napi_type_tag TAG;
  static constexpr const char *NAME = "file lock";
  explicit FileLockHandle(Fd fd) : fd_(std::move(fd)) {}
  napi_value release(Call &call) {
    fd_ = Fd();
    return js_undefined(call.env());
  }

 private:
  Fd fd_;
};
const napi_type_tag FileLockHandle::TAG = {0x6b20f4a9d713ce58, 0x9e41d06c5b82fa37};

}  // namespace

napi_value lock_file(Call &call) {
  const std::string path = call.argument(0, "path").string();
  Fd fd(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!fd) throw_errno("cannot open " + path, errno);
  if (flock(fd.get(), LOCK_EX | LOCK_NB)) {
    if (errno == EWOULDBLOCK) return js_null(call.env());
    throw_errno("cannot lock " + path, errno);
  }
  using H = FileLockHandle;
  const napi_property_descriptor methods[] = {method<H, &H::release>("release")};
  return js_owner(call.env(), std::make_unique<FileLockHandle>(std::move(fd)), methods);
}

}  // namespace tandem
