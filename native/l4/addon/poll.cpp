/* SPDX-License-Identifier: MIT */
#include "poll.h"

#include <memory>

namespace tandem {

Callback::Callback(napi_env env, napi_value function) : env_(env) {
  check(env, napi_create_reference(env, function, 1, &function_));
  check(env, napi_async_init(env, nullptr, js_string(env, "tandem_l4"), &context_));
}

Callback::~Callback() {
  if (function_) napi_delete_reference(env_, function_);
  if (context_) napi_async_destroy(env_, context_);
}

void Callback::call(std::span<const napi_value> arguments) {
  napi_value function = nullptr, global = nullptr, exception = nullptr;
  if (napi_get_reference_value(env_, function_, &function) != napi_ok || napi_get_global(env_, &global) != napi_ok) return;
  if (napi_make_callback(env_, context_, global, function, arguments.size(), arguments.data(), nullptr) != napi_pending_exception) return;
  if (napi_get_and_clear_last_exception(env_, &exception) == napi_ok) napi_fatal_exception(env_, exception);
}

void Poll::start(napi_env env, int fd, napi_value keep_alive, std::function<void()> ready, Poll *&owner) {
  uv_loop_s *loop = nullptr;
  check(env, napi_get_uv_event_loop(env, &loop));
  napi_ref reference = nullptr;
  check(env, napi_create_reference(env, keep_alive, 1, &reference));
  Poll *poll = new Poll(env, std::move(ready));
  poll->keep_alive_ = reference;
  poll->handle_.data = poll;
  int error = uv_poll_init(loop, &poll->handle_, fd);
  if (error) {
    napi_delete_reference(env, reference);
    delete poll;
    throw_errno("cannot watch a descriptor", -error);
  }
  poll->owner_ = &owner;
  owner = poll;
  napi_add_async_cleanup_hook(env, on_environment_end, poll, &poll->hook_);
  error = uv_poll_start(&poll->handle_, UV_READABLE, on_ready);
  if (error) {
    poll->close();
    throw_errno("cannot watch a descriptor", -error);
  }
}

void Poll::close() {
  if (!owner_) return;
  *owner_ = nullptr;
  owner_ = nullptr;
  uv_close(reinterpret_cast<uv_handle_t *>(&handle_), on_closed);
}

void Poll::on_ready(uv_poll_t *handle, int status, int) {
  Poll *poll = static_cast<Poll *>(handle->data);
  napi_handle_scope scope = nullptr;
  if (!poll->owner_ || napi_open_handle_scope(poll->env_, &scope) != napi_ok) return;
  /* libuv stops watching a descriptor in error; a socket's error (an overrun, a lost device) is read off by `ready`, and it goes on. */
  if (status < 0) uv_poll_start(handle, UV_READABLE, on_ready);
  try {
    poll->ready_();
  } catch (...) {
    throw_to_js(poll->env_);
    napi_value exception = nullptr;
    if (napi_get_and_clear_last_exception(poll->env_, &exception) == napi_ok) napi_fatal_exception(poll->env_, exception);
  }
  napi_close_handle_scope(poll->env_, scope);
}

void Poll::on_closed(uv_handle_t *handle) {
  Poll *poll = static_cast<Poll *>(handle->data);
  napi_handle_scope scope = nullptr;
  bool has_scope = napi_open_handle_scope(poll->env_, &scope) == napi_ok;
  napi_delete_reference(poll->env_, poll->keep_alive_);
  poll->ready_ = nullptr;
  if (has_scope) napi_close_handle_scope(poll->env_, scope);
  if (poll->hook_) napi_remove_async_cleanup_hook(poll->hook_);
  delete poll;
}

void Poll::on_environment_end(napi_async_cleanup_hook_handle, void *data) { static_cast<Poll *>(data)->close(); }

}  // namespace tandem
