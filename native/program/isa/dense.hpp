#pragma once

#include "fast.hpp"

namespace heddle::HEDDLE_ISA {
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
