/* SPDX-License-Identifier: MIT */
/*
 * js.h: the border to JavaScript. Arguments are checked here (TypeError, RangeError), C++ exceptions become JavaScript errors here, and
 * native objects are bound to plain JavaScript objects here: tagged, so that a method called on a foreign `this` throws instead of
 * reading foreign memory.
 */
#ifndef TANDEM_ADDON_JS_H
#define TANDEM_ADDON_JS_H

#define NAPI_VERSION 8
#include <node_api.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "errors.h"

namespace tandem {

using Bytes = std::span<const uint8_t>;

/* Thrown when a JavaScript exception is already pending. */
struct JsPending {};

/* Throws unless the Node-API call worked. */
void check(napi_env env, napi_status status);

/* One value that came from JavaScript, with its name for error messages. */
struct Argument {
  napi_env env;
  napi_value value;
  const char *name;

  bool is_nullish() const;
  std::string string() const;
  bool boolean() const;
  /* An integer between the two, both included. */
  uint32_t integer(uint32_t least, uint32_t most) const;
  /* A bigint of 64 bits without sign. */
  uint64_t bigint() const;
  Bytes bytes() const;
  Bytes bytes_of(size_t length) const;
  std::span<const uint32_t> words() const;
  napi_value function() const;
  /* A property of an object; throws TypeError when this is none. */
  Argument property(const char *key) const;
  std::vector<Argument> elements() const;
};

/* The arguments of one call. */
class Call {
 public:
  static constexpr size_t MAX_ARGUMENTS = 5;
  Call(napi_env env, napi_callback_info info);
  napi_env env() const { return env_; }
  napi_value self() const { return self_; }
  Argument argument(size_t index, const char *name) const { return {env_, arguments_[index], name}; }

 private:
  napi_env env_;
  napi_value self_ = nullptr;
  napi_value arguments_[MAX_ARGUMENTS] = {};
};

napi_value js_undefined(napi_env env);
napi_value js_null(napi_env env);
napi_value js_boolean(napi_env env, bool value);
napi_value js_number(napi_env env, double value);
napi_value js_bigint(napi_env env, uint64_t value);
napi_value js_string(napi_env env, const std::string &value);
napi_value js_buffer(napi_env env, Bytes bytes);
napi_value js_object(napi_env env);
void set_property(napi_env env, napi_value object, const char *key, napi_value value);
napi_value js_array(napi_env env, const std::vector<napi_value> &values);

/* Turns the C++ exception in flight into a pending JavaScript exception; call it from a catch block only. */
void throw_to_js(napi_env env);

/* Kept per environment: the class thrown for NativeError. */
void set_error_class(napi_env env, napi_value error_class);

using Function = napi_value (*)(Call &);

template <Function F>
napi_value guarded(napi_env env, napi_callback_info info) {
  try {
    Call call(env, info);
    return F(call);
  } catch (...) {
    throw_to_js(env);
    return nullptr;
  }
}

void *unwrap(Call &call, const napi_type_tag &tag, const char *class_name);

/* T has `static const napi_type_tag TAG` and `static constexpr const char *NAME`. */
template <class T, napi_value (T::*M)(Call &)>
napi_value guarded_method(napi_env env, napi_callback_info info) {
  try {
    Call call(env, info);
    return (static_cast<T *>(unwrap(call, T::TAG, T::NAME))->*M)(call);
  } catch (...) {
    throw_to_js(env);
    return nullptr;
  }
}

template <class T, napi_value (T::*M)(Call &)>
napi_property_descriptor method(const char *name) {
  return {name, nullptr, guarded_method<T, M>, nullptr, nullptr, nullptr, napi_default_method, nullptr};
}

void bind_object(napi_env env, napi_value object, void *native, napi_finalize finalize, const napi_type_tag &tag,
                 std::span<const napi_property_descriptor> methods);

/* A JavaScript object that owns `native` and has these methods. */
template <class T>
napi_value js_owner(napi_env env, std::unique_ptr<T> native, std::span<const napi_property_descriptor> methods) {
  napi_value object = js_object(env);
  auto finalize = [](napi_env, void *data, void *) { delete static_cast<T *>(data); };
  bind_object(env, object, native.get(), finalize, T::TAG, methods);
  native.release();
  return object;
}

}  // namespace tandem

#endif
