#pragma once

#include "fast.hpp"

namespace heddle::HEDDLE_ISA {

/// What is not 0 in x[rows, inputs].
struct NonZeros {
  std::size_t elements;
  /// Inputs that are not 0 in all rows.
  std::size_t inputs;
  /// 64 inputs of a row to a word: bit j of `byRow[row * rowWords + i]` stands for input 64 i + j.
  std::uint64_t* byRow;
  std::size_t rowWords;
  /// 32 rows of an input to a word: bit j of `byInput[i * inputStride + input]` stands for row 32 i + j.
  std::uint32_t* byInput;
  std::size_t inputStride;
  std::size_t inputWords;

  NonZeros(std::byte* memory, const DenseShape& shape);
  static std::size_t bytes(const DenseShape& shape);
};

void findNonZeros(NonZeros& nonZeros, const float* x, const DenseShape& shape);
/// Whether products of this shape gain by leaving out every 0 and not only whole columns of them.
bool isSparse(const NonZeros& nonZeros, const DenseShape& shape);
/// As denseForward; `sums` has room for [rows, outputs rounded up to panels].
void sparseForward(float* y, const float* x, const NonZeros& nonZeros, const float* panels, const float* bias,
                   const DenseShape& shape, float alpha, bool relu, float* sums);
/// As denseUpdate; `delta` is padded to panels, `order` has room for all inputs.
void sparseUpdate(float* panels, const float* delta, const float* x, const NonZeros& nonZeros,
                  const DenseShape& shape, float alpha, float beta, bool skipDead, std::uint32_t* order);

void packPanels(float* panels, const float* weights, std::size_t outputs, std::size_t inputs);
void unpackPanels(float* weights, const float* panels, std::size_t outputs, std::size_t inputs);
std::size_t denseScratch(const DenseShape& shape);
std::size_t denseInputs(const DenseShape& shape);
void denseForward(float* y, const float* x, const float* panels, const float* bias, const DenseShape& shape,
                  float alpha, bool relu, std::byte* kept, std::byte* scratch);
void denseDataGrad(float* dx, const float* delta, const float* panels, const DenseShape& shape, float alpha,
                   std::byte* scratch);
void denseUpdate(float* panels, const float* delta, const float* x, const DenseShape& shape, float alpha,
                 float beta, bool skipDead, const std::byte* kept, std::byte* scratch);
}  // namespace heddle::HEDDLE_ISA
