/* SPDX-License-Identifier: MIT */
/*
 * poll.h: a descriptor watched by the event loop, and a JavaScript function called from it. A Poll lives until libuv lets go of its
 * handle, whoever closed it: its user, the finalizer of its user, or the end of the environment.
 */
#ifndef TANDEM_ADDON_POLL_H
#define TANDEM_ADDON_POLL_H

#include <uv.h>

#include <functional>

#include "js.h"

namespace tandem {

/* A function of JavaScript that native code calls from the event loop. */
class Callback {
 public:
  Callback(napi_env env, napi_value function);
  ~Callback();
  Callback(const Callback &) = delete;
  Callback &operator=(const Callback &) = delete;
  /* An exception thrown by the function becomes an uncaughtException. */
  void call(std::span<const napi_value> arguments);

 private:
  napi_env env_;
  napi_ref function_ = nullptr;
  napi_async_context context_ = nullptr;
};

class Poll {
 public:
  /*
   * Calls `ready` inside a handle scope whenever `fd` is readable or in error. `keep_alive` is an object that must not be collected.
   * `owner` is the user's only pointer to the Poll: it must stay where it is until it has become null again.
   */
  static void start(napi_env env, int fd, napi_value keep_alive, std::function<void()> ready, Poll *&owner);
  /* After this `ready` is never called again, the owner's pointer is null and the descriptor may be closed. The Poll deletes itself. */
  void close();

 private:
  Poll(napi_env env, std::function<void()> ready) : env_(env), ready_(std::move(ready)) {}
  ~Poll() = default;
  static void on_ready(uv_poll_t *handle, int status, int events);
  static void on_closed(uv_handle_t *handle);
  static void on_environment_end(napi_async_cleanup_hook_handle hook, void *data);

  napi_env env_;
  std::function<void()> ready_;
  uv_poll_t handle_{};
  napi_ref keep_alive_ = nullptr;
  napi_async_cleanup_hook_handle hook_ = nullptr;
  Poll **owner_ = nullptr;
};

}  // namespace tandem

#endif
