// Reads and checks the arguments of one bound kernel. Plain Node-API: an argument costs tens of nanoseconds,
// where the C++ wrapper with exceptions costs hundreds.
#pragma once
#include <node_api.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <type_traits>

#include "kernels/lengths.hpp"
#include "table.hpp"

namespace heddle {

template <typename T>
struct Span {
  T* data;
  std::size_t size;
};

template <typename T>
struct ListSpan {
  static constexpr std::size_t kMaxVectors = 256;
  T* data[kMaxVectors];
  std::size_t sizes[kMaxVectors];
  std::size_t count;
  std::size_t size;  // length of the first vector
};

class Call {
 public:
  Call(napi_env env, napi_callback_info info, const char* kernel, std::size_t arity)
      : env_(env), kernel_(kernel) {
    std::size_t count = kMaxArguments;
    void* data = nullptr;
    napi_get_cb_info(env, info, &count, arguments_, nullptr, &data);
    table_ = static_cast<const KernelTable*>(data);
    if (count != arity) fail("ERR_INVALID_ARGUMENT", "takes %zu arguments, received %zu", arity, count);
  }

  const KernelTable& table() const { return *table_; }
  bool failed() const { return failed_; }

  template <typename T>
  Span<T> vector(std::size_t i, const char* name, napi_typedarray_type wanted) {
    if (failed_) return {nullptr, 0};
    return typedArray<T>(arguments_[i], name, wanted);
  }

  template <typename T>
  ListSpan<T> list(std::size_t i, const char* name, napi_typedarray_type wanted) {
    ListSpan<T> list;
    list.count = 0;
    list.size = 0;
    if (failed_) return list;
    bool isArray = false;
    std::uint32_t length = 0;
    napi_is_array(env_, arguments_[i], &isArray);
    if (isArray) napi_get_array_length(env_, arguments_[i], &length);
    if (!isArray || length == 0 || length > list.kMaxVectors) {
      fail("ERR_INVALID_ARGUMENT", "%s must be an array of 1 to 256 %ss", name, arrayName(wanted));
      return list;
    }
    for (std::uint32_t k = 0; k < length && !failed_; ++k) {
      napi_value element;
      napi_get_element(env_, arguments_[i], k, &element);
      const auto span = typedArray<T>(element, name, wanted);
      list.data[k] = span.data;
      list.sizes[k] = span.size;
    }
    list.count = length;
    list.size = list.sizes[0];
    return list;
  }

  template <typename T>
  T scalar(std::size_t i, const char* name) {
    if (failed_) return T{};
    double value = 0;
    if (napi_get_value_double(env_, arguments_[i], &value) != napi_ok) {
      fail("ERR_INVALID_ARGUMENT", "%s must be a number", name);
      return T{};
    }
    if constexpr (std::is_integral_v<T>) {
      const double low = std::is_signed_v<T> ? -2147483648.0 : 0.0;
      const double high = std::is_signed_v<T> ? 2147483647.0 : 4294967295.0;
      if (!(value >= low && value <= high) ||
          value != static_cast<double>(static_cast<std::int64_t>(value))) {
        fail("ERR_INVALID_ARGUMENT", "%s must be an integer from %.0f to %.0f", name, low, high);
        return T{};
      }
    }
    return static_cast<T>(value);
  }

  template <typename T>
  void expect(const Span<T>& span, const char* name, Extent wanted) {
    if (span.size != wanted) lengthError(name, wanted, span.size);
  }
  template <typename T>
  void expectOptional(const Span<T>& span, const char* name, Extent wanted) {
    if (span.size != 0 && span.size != wanted) lengthError(name, wanted, span.size);
  }
  template <typename T>
  void expectList(const ListSpan<T>& list, const char* name, Extent wanted) {
    for (std::size_t k = 0; k < list.count; ++k)
      if (list.sizes[k] != wanted) lengthError(name, wanted, list.sizes[k]);
  }
  template <typename T>
  void expectCount(const ListSpan<T>& list, const char* name, std::size_t wanted) {
    if (list.count != wanted)
      fail("ERR_SHAPE_MISMATCH", "%s must hold %zu vectors, received %zu", name, wanted, list.count);
  }
  template <typename T>
  void expectBelow(const Span<T>& span, const char* name, Extent bound) {
    for (std::size_t i = 0; i < span.size && !failed_; ++i)
      if (static_cast<std::uint64_t>(static_cast<std::int64_t>(span.data[i])) >= bound.value)
        fail("ERR_INDEX_RANGE", "%s[%zu] must be below %zu", name, i, bound.value);
  }
  template <typename T>
  void expectAscending(const Span<T>& span, const char* name) {
    for (std::size_t i = 1; i < span.size && !failed_; ++i)
      if (span.data[i] < span.data[i - 1])
        fail("ERR_INDEX_RANGE", "%s[%zu] is below the offset before it", name, i);
  }
  void require(bool holds, const char* requirement) {
    if (!holds) fail("ERR_SHAPE_MISMATCH", "the call does not obey %s", requirement);
  }

  napi_value number(double value) {
    napi_value result = nullptr;
    napi_create_double(env_, value, &result);
    return result;
  }

 private:
  static constexpr std::size_t kMaxArguments = 24;

  template <typename T>
  Span<T> typedArray(napi_value value, const char* name, napi_typedarray_type wanted) {
    bool isTypedArray = false;
    napi_typedarray_type type = napi_int8_array;
    std::size_t length = 0;
    void* data = nullptr;
    napi_is_typedarray(env_, value, &isTypedArray);
    if (isTypedArray) napi_get_typedarray_info(env_, value, &type, &length, &data, nullptr, nullptr);
    if (!isTypedArray || type != wanted) {
      fail("ERR_DTYPE", "%s must be a %s", name, arrayName(wanted));
      return {nullptr, 0};
    }
    return {length == 0 ? nullptr : static_cast<T*>(data), length};
  }

  static const char* arrayName(napi_typedarray_type type) {
    switch (type) {
      case napi_float32_array:
        return "Float32Array";
      case napi_float64_array:
        return "Float64Array";
      case napi_uint8_array:
        return "Uint8Array";
      case napi_int8_array:
        return "Int8Array";
      case napi_uint16_array:
        return "Uint16Array";
      case napi_int32_array:
        return "Int32Array";
      case napi_uint32_array:
        return "Uint32Array";
      default:
        return "typed array";
    }
  }

  void lengthError(const char* name, Extent wanted, std::size_t received) {
    fail("ERR_SHAPE_MISMATCH", "%s must have %zu elements, received %zu", name, wanted.value, received);
  }

  template <typename... Values>
  void fail(const char* code, const char* format, Values... values) {
    if (failed_) return;
    failed_ = true;
    char text[256];
    const int used = std::snprintf(text, sizeof text, "%s: ", kernel_);
    std::snprintf(text + used, sizeof text - static_cast<std::size_t>(used), format, values...);
    napi_throw_error(env_, code, text);
  }

  napi_env env_;
  const char* kernel_;
  const KernelTable* table_ = nullptr;
  bool failed_ = false;
  napi_value arguments_[kMaxArguments];
};

}  // namespace heddle
