#include "simd.hpp"
#include "table.hpp"

namespace heddle::HEDDLE_ISA {

void maxPoolF32(float* y, std::uint32_t* argmax, const float* x, std::uint32_t batch, std::uint32_t channels,
                std::uint32_t height, std::uint32_t width, std::uint32_t size, std::uint32_t stride,
                std::uint32_t outHeight, std::uint32_t outWidth) {
  const std::size_t planes = std::size_t{batch} * channels;
  for (std::size_t plane = 0; plane < planes; ++plane)
    for (std::size_t oy = 0; oy < outHeight; ++oy) {
      const std::size_t row = (plane * height + oy * stride) * width;
      // Tap by tap over a whole output row, so that the row and not the small window is the vector loop.
      HEDDLE_NO_CARRIED_DEPENDENCY
      for (std::size_t ox = 0; ox < outWidth; ++ox) {
        y[ox] = x[row + ox * stride];
        argmax[ox] = static_cast<std::uint32_t>(row + ox * stride);
      }
      for (std::size_t ky = 0; ky < size; ++ky)
        for (std::size_t kx = ky == 0; kx < size; ++kx) {
          const std::size_t tap = row + ky * width + kx;
          HEDDLE_NO_CARRIED_DEPENDENCY
          for (std::size_t ox = 0; ox < outWidth; ++ox) {
            const float v = x[tap + ox * stride];
            const bool wins = v > y[ox];
            argmax[ox] = wins ? static_cast<std::uint32_t>(tap + ox * stride) : argmax[ox];
            y[ox] = wins ? v : y[ox];
          }
        }
      y += outWidth;
      argmax += outWidth;
    }
}

void maxPoolGradF32(float* dx, const float* dy, const std::uint32_t* argmax, std::size_t inputs,
                    std::size_t outputs) {
  for (std::size_t i = 0; i < inputs; ++i) dx[i] = 0;
  for (std::size_t i = 0; i < outputs; ++i) dx[argmax[i]] += dy[i];
}

void maxPoolGatherF32(float* y, const float* x, const std::uint32_t* argmax, std::size_t outputs,
                      std::size_t) {
  for (std::size_t i = 0; i < outputs; ++i) y[i] = x[argmax[i]];
}

void averagePoolF32(float* y, const float* x, std::uint32_t batch, std::uint32_t channels,
                    std::uint32_t height, std::uint32_t width, std::uint32_t size, std::uint32_t stride,
                    std::uint32_t outHeight, std::uint32_t outWidth) {
  const float count = static_cast<float>(size * size);
  const std::size_t planes = std::size_t{batch} * channels;
  for (std::size_t plane = 0; plane < planes; ++plane)
    for (std::size_t oy = 0; oy < outHeight; ++oy) {
      const float* row = x + (plane * height + oy * stride) * width;
      for (std::size_t ox = 0; ox < outWidth; ++ox) y[ox] = 0;
      for (std::size_t ky = 0; ky < size; ++ky)
        for (std::size_t kx = 0; kx < size; ++kx) {
          const float* tap = row + ky * width + kx;
          HEDDLE_NO_CARRIED_DEPENDENCY
          for (std::size_t ox = 0; ox < outWidth; ++ox) y[ox] += tap[ox * stride];
        }
      for (std::size_t ox = 0; ox < outWidth; ++ox) y[ox] /= count;
      y += outWidth;
    }
}

void averagePoolGradF32(float* dx, const float* dy, std::uint32_t batch, std::uint32_t channels,
                        std::uint32_t height, std::uint32_t width, std::uint32_t size, std::uint32_t stride,
                        std::uint32_t outHeight, std::uint32_t outWidth) {
  const float count = static_cast<float>(size * size);
  const std::size_t planes = std::size_t{batch} * channels;
  for (std::size_t i = 0; i < planes * height * width; ++i) dx[i] = 0;
  for (std::size_t plane = 0; plane < planes; ++plane)
    for (std::size_t oy = 0; oy < outHeight; ++oy)
      for (std::size_t ox = 0; ox < outWidth; ++ox) {
        const float share = *dy++ / count;
        float* corner = dx + (plane * height + oy * stride) * width + ox * stride;
        for (std::size_t ky = 0; ky < size; ++ky)
          for (std::size_t kx = 0; kx < size; ++kx) corner[ky * width + kx] += share;
      }
}

}  // namespace heddle::HEDDLE_ISA
