/* SPDX-License-Identifier: MIT */
#include "js.h"

#include <cmath>
#include <memory>

namespace tandem {
namespace {

/* What one environment (main thread or worker) keeps. */
struct Instance {
  napi_ref error_class = nullptr;
};

Instance *instance_of(napi_env env) {
  void *data = nullptr;
  if (napi_get_instance_data(env, &data) != napi_ok || data) return static_cast<Instance *>(data);
  auto instance = std::make_unique<Instance>();
  auto finalize = [](napi_env, void *instance_data, void *) { delete static_cast<Instance *>(instance_data); };
  if (napi_set_instance_data(env, instance.get(), finalize, nullptr) != napi_ok) return nullptr;
  return instance.release();
}

napi_valuetype type_of(const Argument &argument) {
  napi_valuetype type = napi_undefined;
  if (argument.value) check(argument.env, napi_typeof(argument.env, argument.value, &type));
  return type;
}

[[noreturn]] void mistake(const Argument &argument, const char *expected) {
  throw TypeMistake{std::string(argument.name) + " must be " + expected};
}

void set_detail(napi_env env, napi_value object, const NativeError &error) {
  set_property(env, object, "errno", js_number(env, error.error_number));
  set_property(env, object, "hint", js_string(env, error.hint));
  set_property(env, object, "verifierLog", js_string(env, error.verifier_log));
}

napi_value native_error(napi_env env, const NativeError &error) {
  Instance *instance = instance_of(env);
  napi_value error_class = nullptr, result = nullptr;
  if (instance && instance->error_class) check(env, napi_get_reference_value(env, instance->error_class, &error_class));
  if (!error_class) {
    check(env, napi_create_error(env, js_string(env, error.code), js_string(env, error.message), &result));
    set_detail(env, result, error);
    return result;
  }
  napi_value detail = js_object(env);
  set_detail(env, detail, error);
  napi_value arguments[] = {js_string(env, error.code), js_string(env, error.message), detail};
  check(env, napi_new_instance(env, error_class, 3, arguments, &result));
  return result;
}

}  // namespace

void check(napi_env env, napi_status status) {
  if (status == napi_ok) return;
  bool pending = false;
  napi_is_exception_pending(env, &pending);
  if (pending) throw JsPending{};
  const napi_extended_error_info *info = nullptr;
  napi_get_last_error_info(env, &info);
  throw NativeError{"SYSCALL", std::string("Node-API: ") + (info && info->error_message ? info->error_message : "failed"), 0, "", ""};
}

bool Argument::is_nullish() const {
  napi_valuetype type = type_of(*this);
  return type == napi_undefined || type == napi_null;
}

std::string Argument::string() const {
  if (type_of(*this) != napi_string) mistake(*this, "a string");
  size_t length = 0;
  check(env, napi_get_value_string_utf8(env, value, nullptr, 0, &length));
  std::string text(length, '\0');
  check(env, napi_get_value_string_utf8(env, value, text.data(), length + 1, &length));
  if (text.find('\0') != std::string::npos) throw RangeMistake{std::string(name) + " must not contain a NUL character"};
  return text;
}

bool Argument::boolean() const {
  if (type_of(*this) != napi_boolean) mistake(*this, "a boolean");
  bool result = false;
  check(env, napi_get_value_bool(env, value, &result));
  return result;
}

uint32_t Argument::integer(uint32_t least, uint32_t most) const {
  if (type_of(*this) != napi_number) mistake(*this, "a number");
  double number = 0;
  check(env, napi_get_value_double(env, value, &number));
  if (!(number >= least && number <= most) || number != std::floor(number))
    throw RangeMistake{std::string(name) + " must be an integer from " + std::to_string(least) + " to " + std::to_string(most)};
  return static_cast<uint32_t>(number);
}

uint64_t Argument::bigint() const {
  if (type_of(*this) != napi_bigint) mistake(*this, "a bigint");
  uint64_t number = 0;
  bool lossless = false;
  check(env, napi_get_value_bigint_uint64(env, value, &number, &lossless));
  if (!lossless) throw RangeMistake{std::string(name) + " must be from 0 to 2^64-1"};
  return number;
}

Bytes Argument::bytes() const {
  bool is_typed = false;
  if (value) check(env, napi_is_typedarray(env, value, &is_typed));
  if (!is_typed) mistake(*this, "a Buffer");
  napi_typedarray_type type;
  size_t length = 0;
  void *data = nullptr;
  check(env, napi_get_typedarray_info(env, value, &type, &length, &data, nullptr, nullptr));
  if (type != napi_uint8_array) mistake(*this, "a Buffer");
  return {static_cast<const uint8_t *>(data), data ? length : 0};
}

Bytes Argument::bytes_of(size_t length) const {
  Bytes result = bytes();
  if (result.size() != length)
    throw RangeMistake{std::string(name) + " must have " + std::to_string(length) + " bytes, not " + std::to_string(result.size())};
  return result;
}

std::span<const uint32_t> Argument::words() const {
  bool is_typed = false;
  if (value) check(env, napi_is_typedarray(env, value, &is_typed));
  if (!is_typed) mistake(*this, "a Uint32Array");
  napi_typedarray_type type;
  size_t length = 0;
  void *data = nullptr;
  check(env, napi_get_typedarray_info(env, value, &type, &length, &data, nullptr, nullptr));
  if (type != napi_uint32_array) mistake(*this, "a Uint32Array");
  return {static_cast<const uint32_t *>(data), data ? length : 0};
}

napi_value Argument::function() const {
  if (type_of(*this) != napi_function) mistake(*this, "a function");
  return value;
}

Argument Argument::property(const char *key) const {
  if (type_of(*this) != napi_object) mistake(*this, "an object");
  napi_value result = nullptr;
  check(env, napi_get_named_property(env, value, key, &result));
  return {env, result, key};
}

std::vector<Argument> Argument::elements() const {
  bool is_array = false;
  if (value) check(env, napi_is_array(env, value, &is_array));
  if (!is_array) mistake(*this, "an array");
  uint32_t length = 0;
  check(env, napi_get_array_length(env, value, &length));
  std::vector<Argument> result;
  for (uint32_t index = 0; index < length; index++) {
    napi_value element = nullptr;
    check(env, napi_get_element(env, value, index, &element));
    result.push_back({env, element, name});
  }
  return result;
}

Call::Call(napi_env env, napi_callback_info info) : env_(env) {
  size_t count = MAX_ARGUMENTS;
  check(env, napi_get_cb_info(env, info, &count, arguments_, &self_, nullptr));
}

napi_value js_undefined(napi_env env) {
  napi_value result = nullptr;
  check(env, napi_get_undefined(env, &result));
  return result;
}

napi_value js_null(napi_env env) {
  napi_value result = nullptr;
  check(env, napi_get_null(env, &result));
  return result;
}

napi_value js_boolean(napi_env env, bool value) {
  napi_value result = nullptr;
  check(env, napi_get_boolean(env, value, &result));
  return result;
}

napi_value js_number(napi_env env, double value) {
  napi_value result = nullptr;
  check(env, napi_create_double(env, value, &result));
  return result;
}

napi_value js_bigint(napi_env env, uint64_t value) {
  napi_value result = nullptr;
  check(env, napi_create_bigint_uint64(env, value, &result));
  return result;
}

napi_value js_string(napi_env env, const std::string &value) {
  napi_value result = nullptr;
  check(env, napi_create_string_utf8(env, value.data(), value.size(), &result));
  return result;
}

napi_value js_buffer(napi_env env, Bytes bytes) {
  napi_value result = nullptr;
  check(env, napi_create_buffer_copy(env, bytes.size(), bytes.empty() ? "" : static_cast<const void *>(bytes.data()), nullptr, &result));
  return result;
}

napi_value js_object(napi_env env) {
  napi_value result = nullptr;
  check(env, napi_create_object(env, &result));
  return result;
}

void set_property(napi_env env, napi_value object, const char *key, napi_value value) {
  check(env, napi_set_named_property(env, object, key, value));
}

napi_value js_array(napi_env env, const std::vector<napi_value> &values) {
  napi_value result = nullptr;
  check(env, napi_create_array_with_length(env, values.size(), &result));
  for (size_t index = 0; index < values.size(); index++) check(env, napi_set_element(env, result, index, values[index]));
  return result;
}

void throw_to_js(napi_env env) {
  try {
    try {
      throw;
    } catch (const TypeMistake &mistake) {
      napi_throw_type_error(env, nullptr, mistake.message.c_str());
    } catch (const RangeMistake &mistake) {
      napi_throw_range_error(env, nullptr, mistake.message.c_str());
    } catch (const NativeError &error) {
      napi_throw(env, native_error(env, error));
    } catch (const std::exception &error) {
      napi_throw_error(env, nullptr, error.what());
    }
  } catch (const JsPending &) {
    /* Already on its way. */
  } catch (const NativeError &error) {
    napi_throw_error(env, error.code.c_str(), error.message.c_str());
  }
}

void set_error_class(napi_env env, napi_value error_class) {
  Instance *instance = instance_of(env);
  if (!instance) throw JsPending{};
  if (instance->error_class) check(env, napi_delete_reference(env, instance->error_class));
  instance->error_class = nullptr;
  check(env, napi_create_reference(env, error_class, 1, &instance->error_class));
}

void *unwrap(Call &call, const napi_type_tag &tag, const char *class_name) {
  bool is_ours = false;
  napi_valuetype type = napi_undefined;
  check(call.env(), napi_typeof(call.env(), call.self(), &type));
  if (type == napi_object) check(call.env(), napi_check_object_type_tag(call.env(), call.self(), &tag, &is_ours));
  void *native = nullptr;
  if (is_ours) check(call.env(), napi_unwrap(call.env(), call.self(), &native));
  if (!native) throw TypeMistake{std::string("this is not a ") + class_name};
  return native;
}

void bind_object(napi_env env, napi_value object, void *native, napi_finalize finalize, const napi_type_tag &tag,
                 std::span<const napi_property_descriptor> methods) {
  check(env, napi_define_properties(env, object, methods.size(), methods.data()));
  check(env, napi_type_tag_object(env, object, &tag));
  check(env, napi_wrap(env, object, native, finalize, nullptr, nullptr));
}

}  // namespace tandem
