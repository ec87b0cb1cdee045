// Generated from src/kernels/table.ts by scripts/generate-kernels.mjs; do not edit.
#pragma once
#include <cstddef>
#include <cstdint>

namespace heddle {

/// The kernels of one instruction set; what each does is in docs/kernels.md and src/kernels/reference/.
struct KernelTable {
  void (*fillF32)(float* dst, std::size_t n, float value);
  void (*copyF32)(float* dst, const float* src, std::size_t n);
  void (*scaleF32)(float* x, std::size_t n, float factor);
  void (*axpyF32)(float* y, const float* x, std::size_t n, float a);
  void (*addF32)(float* dst, const float* a, const float* b, std::size_t n);
  void (*subtractF32)(float* dst, const float* a, const float* b, std::size_t n);
  void (*multiplyF32)(float* dst, const float* a, const float* b, std::size_t n);
  void (*lerpF32)(float* dst, const float* a, const float* b, std::size_t n, float t);
  void (*applyMaskF32)(float* x, const std::uint8_t* mask, std::size_t n);
  void (*addF64)(double* dst, const double* src, std::size_t n);
  void (*copyF64)(double* dst, const double* src, std::size_t n);
  void (*fillF64)(double* dst, std::size_t n, double value);
  double (*dotF32)(const float* a, const float* b, std::size_t n);
  double (*sumSquaresF32)(const float* x, std::size_t n);
  float (*maxAbsF32)(const float* x, std::size_t n);
  std::uint32_t (*allFiniteF32)(const float* x, std::size_t n);
  void (*dotAndNormsF32)(double* out, const float* a, const float* b, std::size_t n);
  void (*sumSegmentsF32)(double* out, const float* x, const std::uint32_t* offsets, std::size_t segments, std::size_t n);
  void (*sumSquaresRowsF32)(double* out, const float* x, std::size_t rows, std::uint32_t cols);
  double (*clipInPlaceF32)(float* x, std::size_t n, double maxNorm);
  double (*clipAccumulateF64)(double* acc, const float* x, std::size_t n, double maxNorm, double weight);
  void (*accumulateF64)(double* acc, const float* x, std::size_t n, double weight);
  void (*maskedAccumulateF64)(double* acc, double* counts, const float* x, const std::uint8_t* mask, std::size_t n, double weight);
  void (*meanF32)(float* dst, const double* acc, std::size_t n, double denominator);
  void (*meanOfHoldersF32)(float* dst, const double* acc, const double* counts, std::size_t n, double minCount);
  void (*weightedSumF32)(float* dst, const float* const* sources, const double* weights, std::size_t n, std::size_t lists);
  float (*magnitudeThresholdF32)(const float* x, std::size_t n, std::uint32_t k);
  void (*gatherBlocksF32)(float* dst, const float* src, const std::uint32_t* rows, const std::uint32_t* columns, std::size_t rowCount, std::size_t columnCount, std::uint32_t sourceRows, std::uint32_t sourceColumns, std::uint32_t inner);
  void (*scatterBlocksF32)(float* dst, const float* src, const std::uint32_t* rows, const std::uint32_t* columns, std::size_t rowCount, std::size_t columnCount, std::uint32_t targetRows, std::uint32_t targetColumns, std::uint32_t inner);
  void (*gatherRowsU8F32)(float* dst, const std::uint8_t* src, const std::uint32_t* index, const float* scales, const float* shifts, std::size_t rows, std::uint32_t sourceRows, std::uint32_t cols, std::uint32_t channels);
  void (*gatherRowsF32)(float* dst, const float* src, const std::uint32_t* index, std::size_t rows, std::uint32_t sourceRows, std::uint32_t cols);
  void (*gatherI32)(std::int32_t* dst, const std::int32_t* src, const std::uint32_t* index, std::size_t rows, std::size_t sourceRows);
  void (*randomBitsU32)(std::uint32_t* out, std::size_t n, std::uint32_t key0, std::uint32_t key1, std::uint32_t blockLow, std::uint32_t blockHigh, std::uint32_t step, std::uint32_t site);
  void (*uniformF32)(float* out, std::size_t n, std::uint32_t key0, std::uint32_t key1, std::uint32_t blockLow, std::uint32_t blockHigh, std::uint32_t step, std::uint32_t site);
  void (*normalF32)(float* out, std::size_t n, float stddev, std::uint32_t key0, std::uint32_t key1, std::uint32_t blockLow, std::uint32_t blockHigh, std::uint32_t step, std::uint32_t site);
  void (*addNormalF32)(float* x, std::size_t n, float stddev, std::uint32_t key0, std::uint32_t key1, std::uint32_t blockLow, std::uint32_t blockHigh, std::uint32_t step, std::uint32_t site);
  void (*normalF64)(double* out, std::size_t n, double stddev, std::uint32_t key0, std::uint32_t key1, std::uint32_t blockLow, std::uint32_t blockHigh, std::uint32_t step, std::uint32_t site);
  void (*bernoulliU8)(std::uint8_t* out, std::size_t n, double probability, std::uint32_t key0, std::uint32_t key1, std::uint32_t blockLow, std::uint32_t blockHigh, std::uint32_t step, std::uint32_t site);
  void (*permutationU32)(std::uint32_t* out, std::size_t n, std::uint32_t key0, std::uint32_t key1, std::uint32_t step, std::uint32_t site);
  void (*encodeF16)(std::uint16_t* codes, const float* x, std::size_t n);
  void (*decodeF16)(float* x, const std::uint16_t* codes, std::size_t n);
  void (*encodeBf16)(std::uint16_t* codes, const float* x, std::size_t n);
  void (*decodeBf16)(float* x, const std::uint16_t* codes, std::size_t n);
  void (*encodeF16Stochastic)(std::uint16_t* codes, const float* x, std::size_t n, std::uint32_t key0, std::uint32_t key1, std::uint32_t blockLow, std::uint32_t blockHigh, std::uint32_t step, std::uint32_t site);
  void (*encodeBf16Stochastic)(std::uint16_t* codes, const float* x, std::size_t n, std::uint32_t key0, std::uint32_t key1, std::uint32_t blockLow, std::uint32_t blockHigh, std::uint32_t step, std::uint32_t site);
  std::int32_t (*quantizeInt8)(std::int8_t* codes, float* scales, const float* x, std::size_t n, std::uint32_t block);
  std::int32_t (*quantizeInt8Stochastic)(std::int8_t* codes, float* scales, const float* x, std::size_t n, std::uint32_t block, std::uint32_t key0, std::uint32_t key1, std::uint32_t blockLow, std::uint32_t blockHigh, std::uint32_t step, std::uint32_t site);
  void (*dequantizeInt8)(float* x, const std::int8_t* codes, const float* scales, std::size_t n, std::uint32_t block);
  void (*dequantizeAccumulateInt8)(double* acc, const std::int8_t* codes, const float* scales, std::size_t n, std::uint32_t block, double weight);
  void (*encodeF8E4m3)(std::uint8_t* codes, const float* x, std::size_t n);
  void (*decodeF8E4m3)(float* x, const std::uint8_t* codes, std::size_t n);
  void (*encodeF8E5m2)(std::uint8_t* codes, const float* x, std::size_t n);
  void (*decodeF8E5m2)(float* x, const std::uint8_t* codes, std::size_t n);
  void (*accumulateSquaresF64)(double* acc, const float* g, std::size_t n);
  void (*movingAverageSquaresF32)(float* v, const float* g, std::size_t n, float decay);
  void (*scoreUnitsF64)(double* scores, const double* fisher, std::size_t units, std::uint32_t rowLength);
  void (*fisherAverageF32)(float* dst, const float* const* models, const float* const* fishers, const double* weights, std::size_t n, std::size_t lists, double floor);
  void (*gemmF32)(float* c, const float* a, const float* b, const float* bias, std::uint32_t m, std::uint32_t n, std::uint32_t k, std::uint32_t transA, std::uint32_t transB, float alpha, float beta, std::uint32_t activation);
  void (*outerRowsF32)(float* out, const float* a, const float* b, std::size_t rows, std::uint32_t m, std::uint32_t n, float beta);
  void (*conv2dF32)(float* y, const float* x, const float* w, const float* bias, std::uint32_t batch, std::uint32_t inChannels, std::uint32_t height, std::uint32_t width, std::uint32_t outChannels, std::uint32_t kernelHeight, std::uint32_t kernelWidth, std::uint32_t stride, std::uint32_t padding, std::uint32_t outHeight, std::uint32_t outWidth, std::uint32_t activation);
  void (*conv2dDataGradF32)(float* dx, const float* dy, const float* w, std::uint32_t batch, std::uint32_t inChannels, std::uint32_t height, std::uint32_t width, std::uint32_t outChannels, std::uint32_t kernelHeight, std::uint32_t kernelWidth, std::uint32_t stride, std::uint32_t padding, std::uint32_t outHeight, std::uint32_t outWidth);
  void (*conv2dWeightGradF32)(float* dw, const float* x, const float* dy, std::uint32_t batch, std::uint32_t inChannels, std::uint32_t height, std::uint32_t width, std::uint32_t outChannels, std::uint32_t kernelHeight, std::uint32_t kernelWidth, std::uint32_t stride, std::uint32_t padding, std::uint32_t outHeight, std::uint32_t outWidth, float alpha, float beta);
  void (*conv2dWeightGradRowsF32)(float* out, const float* x, const float* dy, std::uint32_t batch, std::uint32_t inChannels, std::uint32_t height, std::uint32_t width, std::uint32_t outChannels, std::uint32_t kernelHeight, std::uint32_t kernelWidth, std::uint32_t stride, std::uint32_t padding, std::uint32_t outHeight, std::uint32_t outWidth, float beta);
  void (*maxPoolF32)(float* y, std::uint32_t* argmax, const float* x, std::uint32_t batch, std::uint32_t channels, std::uint32_t height, std::uint32_t width, std::uint32_t size, std::uint32_t stride, std::uint32_t outHeight, std::uint32_t outWidth);
  void (*maxPoolGradF32)(float* dx, const float* dy, const std::uint32_t* argmax, std::size_t inputs, std::size_t outputs);
  void (*maxPoolGatherF32)(float* y, const float* x, const std::uint32_t* argmax, std::size_t outputs, std::size_t inputs);
  void (*averagePoolF32)(float* y, const float* x, std::uint32_t batch, std::uint32_t channels, std::uint32_t height, std::uint32_t width, std::uint32_t size, std::uint32_t stride, std::uint32_t outHeight, std::uint32_t outWidth);
  void (*averagePoolGradF32)(float* dx, const float* dy, std::uint32_t batch, std::uint32_t channels, std::uint32_t height, std::uint32_t width, std::uint32_t size, std::uint32_t stride, std::uint32_t outHeight, std::uint32_t outWidth);
  void (*reluF32)(float* y, const float* x, std::size_t n);
  void (*reluGradF32)(float* dx, const float* dy, const float* y, std::size_t n);
  void (*tanhF32)(float* y, const float* x, std::size_t n);
  void (*tanhGradF32)(float* dx, const float* dy, const float* y, std::size_t n);
  void (*sigmoidF32)(float* y, const float* x, std::size_t n);
  void (*sigmoidGradF32)(float* dx, const float* dy, const float* y, std::size_t n);
  void (*expF32)(float* y, const float* x, std::size_t n);
  void (*logF32)(float* y, const float* x, std::size_t n);
  void (*dropoutF32)(float* y, const float* x, std::size_t n, float rate, std::uint32_t key0, std::uint32_t key1, std::uint32_t blockLow, std::uint32_t blockHigh, std::uint32_t step, std::uint32_t site);
  void (*softmaxF32)(float* p, const float* z, std::size_t rows, std::uint32_t cols);
  void (*logSoftmaxF32)(float* logp, const float* z, std::size_t rows, std::uint32_t cols);
  void (*softmaxCrossEntropyF32)(float* loss, float* delta, const float* z, const std::int32_t* labels, std::size_t rows, std::uint32_t cols, float scale);
  void (*countCorrectF32)(double* totals, const float* loss, const float* z, const std::int32_t* labels, std::size_t rows, std::uint32_t cols);
  void (*addBiasF32)(float* y, const float* bias, std::uint32_t batch, std::uint32_t channels, std::uint32_t spatial);
  void (*sumChannelsF32)(float* db, const float* dy, std::uint32_t batch, std::uint32_t channels, std::uint32_t spatial, float alpha, float beta);
  void (*sumSpatialRowsF32)(float* out, const float* dy, std::size_t rows, std::uint32_t spatial, float beta);
  void (*scaleRowsF32)(float* x, const float* factors, std::size_t rows, std::uint32_t cols);
  void (*weightedSumRowsF32)(float* dst, const float* x, const float* factors, std::size_t cols, std::uint32_t rows, float beta);
  void (*transposeF32)(float* dst, const float* src, std::uint32_t rows, std::uint32_t cols);
  void (*ghostNormRowsF32)(double* norms2, const float* a, const float* b, std::size_t rows, std::uint32_t aCols, std::uint32_t bCols, std::uint32_t withBias);
  void (*clipFactorsF32)(float* factors, const double* norms2, std::size_t rows, double maxNorm, float scale);
  void (*multiplyAddF32)(float* y, const float* a, const float* b, std::size_t n, float scale);
  void (*squareF32)(float* y, const float* x, std::size_t n);
  void (*sgdStepF32)(float* w, float* velocity, const float* g, std::size_t n, float lr, float momentum, std::uint32_t nesterov, float weightDecay);
  void (*adamStepF32)(float* w, float* m, float* v, const float* g, std::size_t n, float lr, float beta1, float beta2, float epsilon, float weightDecay, double beta1Power, double beta2Power);
  void (*addAffineTermF32)(float* g, const float* w, const float* center, const float* v, std::size_t n, float a);
  void (*addAffineVectorF32)(float* g, const float* a, const float* w, const float* center, std::size_t n);
  void (*clipByNormF32)(float* x, const double* norm2, std::size_t n, double maxNorm);
  void (*deltaWeightedSumF32)(float* dst, const float* base, const float* const* sources, const double* weights, std::size_t n, std::size_t lists);
  void (*dotDeltasF64)(double* dots, const float* const* sources, const float* x, const float* base, std::size_t lists, std::size_t n);
  void (*sumAbsDeltaF64)(double* sum, const float* x, const float* base, std::size_t n);
  void (*electMeanF32)(float* dst, const float* base, const float* const* deltas, const double* votes, const double* scales, const double* weights, std::size_t n, std::size_t lists, double lambda, double floor, std::uint32_t normalize);
  void (*varianceF32)(float* dst, const float* const* sources, const double* weights, std::size_t n, std::size_t lists);
  void (*addUniqueDeltasF32)(float* dst, const float* base, const float* const* sources, const double* uniqueScales, std::size_t n, std::size_t lists, double epsilon);
  void (*countUniqueF64)(double* shared, double* unique, const float* base, const float* const* sources, std::size_t lists, std::size_t n, double epsilon);
  void (*nearSwapF32)(float* dst, const float* base, const float* y, std::size_t n, double t);
  void (*measureChangeF64)(double* sums, const float* x, const float* base, std::size_t n);
  void (*deltaWeightedSumHalf)(std::uint16_t* dst, double* sums, const std::uint16_t* base, const std::uint16_t* const* sources, const double* weights, std::size_t n, std::size_t lists, std::uint32_t format);
  void (*weightedSumHalf)(std::uint16_t* dst, double* sums, const std::uint16_t* reference, const std::uint16_t* const* sources, const double* weights, std::size_t n, std::size_t lists, std::uint32_t format);
  void (*countMagnitudesU32)(std::uint32_t* counts, const float* x, const float* base, std::size_t n, std::uint32_t prefix, std::uint32_t prefixShift, std::uint32_t shift, std::uint32_t digits);
  void (*keepBandF32)(float* dst, std::uint32_t* quota, const float* x, const float* base, std::size_t n, std::uint32_t lowBits, std::uint32_t highBits);
  void (*dropRankedDeltasF32)(float* dst, std::uint32_t* scratch, const float* x, const float* base, std::size_t n, std::uint32_t length, std::uint32_t stride, double least, double slope, std::uint32_t expectation, std::uint32_t lead, std::uint32_t key0, std::uint32_t key1, std::uint32_t blockLow, std::uint32_t blockHigh, std::uint32_t step, std::uint32_t site);
  void (*selectRankU32)(std::uint32_t* found, const std::uint32_t* counts, std::size_t n, std::uint32_t rank);
  void (*dropDeltasF32)(float* dst, const float* x, const float* base, std::size_t n, double probability, std::uint32_t key0, std::uint32_t key1, std::uint32_t blockLow, std::uint32_t blockHigh, std::uint32_t step, std::uint32_t site);
  void (*gateDeltaF32)(float* dst, const float* x, const float* base, const float* gate, std::size_t n);
  void (*packNonZeroU8)(std::uint8_t* bits, const float* x, std::size_t n);
  void (*gateBitsDeltaF32)(float* dst, const float* x, const float* base, const std::uint8_t* bits, std::size_t n);
  void (*accumulateGramF64)(double* gram, const float* x, std::size_t rows, std::uint32_t width);
  void (*addProductF64)(double* c, const double* a, const float* b, std::uint32_t m, std::uint32_t n, std::uint32_t k);
  std::uint32_t (*factorCholeskyF64)(double* a, std::uint32_t n, double leastPivot);
  void (*solveCholeskyF64)(double* x, const double* factor, std::size_t m, std::uint32_t n);
  void (*divergenceRowsF64)(double* dst, const float* x, const float* base, std::size_t rows, std::uint32_t cols, double floor);
  void (*scoreDeltaRowsF32)(float* dst, const float* x, const float* base, const double* factors, std::size_t rows, std::uint32_t cols);
  void (*takeScoredRowsF32)(float* dst, const float* x, const float* base, const double* factors, std::size_t rows, std::uint32_t cols, float least);
  void (*addDeltaGramF32)(double* gram, double* baseSquare, const float* const* vectors, const float* base, std::size_t lists, std::size_t n);
  void (*addDeltaGramHalf)(double* gram, double* baseSquare, const std::uint16_t* const* vectors, const std::uint16_t* base, std::size_t lists, std::size_t n, std::uint32_t format);
};

enum class KernelId : std::uint32_t {
  fillF32,
  copyF32,
  scaleF32,
  axpyF32,
  addF32,
  subtractF32,
  multiplyF32,
  lerpF32,
  applyMaskF32,
  addF64,
  copyF64,
  fillF64,
  dotF32,
  sumSquaresF32,
  maxAbsF32,
  allFiniteF32,
  dotAndNormsF32,
  sumSegmentsF32,
  sumSquaresRowsF32,
  clipInPlaceF32,
  clipAccumulateF64,
  accumulateF64,
  maskedAccumulateF64,
  meanF32,
  meanOfHoldersF32,
  weightedSumF32,
  magnitudeThresholdF32,
  gatherBlocksF32,
  scatterBlocksF32,
  gatherRowsU8F32,
  gatherRowsF32,
  gatherI32,
  randomBitsU32,
  uniformF32,
  normalF32,
  addNormalF32,
  normalF64,
  bernoulliU8,
  permutationU32,
  encodeF16,
  decodeF16,
  encodeBf16,
  decodeBf16,
  encodeF16Stochastic,
  encodeBf16Stochastic,
  quantizeInt8,
  quantizeInt8Stochastic,
  dequantizeInt8,
  dequantizeAccumulateInt8,
  encodeF8E4m3,
  decodeF8E4m3,
  encodeF8E5m2,
  decodeF8E5m2,
  accumulateSquaresF64,
  movingAverageSquaresF32,
  scoreUnitsF64,
  fisherAverageF32,
  gemmF32,
  outerRowsF32,
  conv2dF32,
  conv2dDataGradF32,
  conv2dWeightGradF32,
  conv2dWeightGradRowsF32,
  maxPoolF32,
  maxPoolGradF32,
  maxPoolGatherF32,
  averagePoolF32,
  averagePoolGradF32,
  reluF32,
  reluGradF32,
  tanhF32,
  tanhGradF32,
  sigmoidF32,
  sigmoidGradF32,
  expF32,
  logF32,
  dropoutF32,
  softmaxF32,
  logSoftmaxF32,
  softmaxCrossEntropyF32,
  countCorrectF32,
  addBiasF32,
  sumChannelsF32,
  sumSpatialRowsF32,
  scaleRowsF32,
  weightedSumRowsF32,
  transposeF32,
  ghostNormRowsF32,
  clipFactorsF32,
  multiplyAddF32,
  squareF32,
  sgdStepF32,
  adamStepF32,
  addAffineTermF32,
  addAffineVectorF32,
  clipByNormF32,
  deltaWeightedSumF32,
  dotDeltasF64,
  sumAbsDeltaF64,
  electMeanF32,
  varianceF32,
  addUniqueDeltasF32,
  countUniqueF64,
  nearSwapF32,
  measureChangeF64,
  deltaWeightedSumHalf,
  weightedSumHalf,
  countMagnitudesU32,
  keepBandF32,
  dropRankedDeltasF32,
  selectRankU32,
  dropDeltasF32,
  gateDeltaF32,
  packNonZeroU8,
  gateBitsDeltaF32,
  accumulateGramF64,
  addProductF64,
  factorCholeskyF64,
  solveCholeskyF64,
  divergenceRowsF64,
  scoreDeltaRowsF32,
  takeScoredRowsF32,
  addDeltaGramF32,
  addDeltaGramHalf,
};
constexpr std::uint32_t kKernelCount = 124;

}  // namespace heddle

#ifdef HEDDLE_ISA
namespace heddle::HEDDLE_ISA {

void fillF32(float* dst, std::size_t n, float value);
void copyF32(float* dst, const float* src, std::size_t n);
void scaleF32(float* x, std::size_t n, float factor);
void axpyF32(float* y, const float* x, std::size_t n, float a);
void addF32(float* dst, const float* a, const float* b, std::size_t n);
void subtractF32(float* dst, const float* a, const float* b, std::size_t n);
void multiplyF32(float* dst, const float* a, const float* b, std::size_t n);
void lerpF32(float* dst, const float* a, const float* b, std::size_t n, float t);
void applyMaskF32(float* x, const std::uint8_t* mask, std::size_t n);
void addF64(double* dst, const double* src, std::size_t n);
void copyF64(double* dst, const double* src, std::size_t n);
void fillF64(double* dst, std::size_t n, double value);
double dotF32(const float* a, const float* b, std::size_t n);
double sumSquaresF32(const float* x, std::size_t n);
float maxAbsF32(const float* x, std::size_t n);
std::uint32_t allFiniteF32(const float* x, std::size_t n);
void dotAndNormsF32(double* out, const float* a, const float* b, std::size_t n);
void sumSegmentsF32(double* out, const float* x, const std::uint32_t* offsets, std::size_t segments, std::size_t n);
void sumSquaresRowsF32(double* out, const float* x, std::size_t rows, std::uint32_t cols);
double clipInPlaceF32(float* x, std::size_t n, double maxNorm);
double clipAccumulateF64(double* acc, const float* x, std::size_t n, double maxNorm, double weight);
void accumulateF64(double* acc, const float* x, std::size_t n, double weight);
void maskedAccumulateF64(double* acc, double* counts, const float* x, const std::uint8_t* mask, std::size_t n, double weight);
void meanF32(float* dst, const double* acc, std::size_t n, double denominator);
void meanOfHoldersF32(float* dst, const double* acc, const double* counts, std::size_t n, double minCount);
void weightedSumF32(float* dst, const float* const* sources, const double* weights, std::size_t n, std::size_t lists);
float magnitudeThresholdF32(const float* x, std::size_t n, std::uint32_t k);
void gatherBlocksF32(float* dst, const float* src, const std::uint32_t* rows, const std::uint32_t* columns, std::size_t rowCount, std::size_t columnCount, std::uint32_t sourceRows, std::uint32_t sourceColumns, std::uint32_t inner);
void scatterBlocksF32(float* dst, const float* src, const std::uint32_t* rows, const std::uint32_t* columns, std::size_t rowCount, std::size_t columnCount, std::uint32_t targetRows, std::uint32_t targetColumns, std::uint32_t inner);
void gatherRowsU8F32(float* dst, const std::uint8_t* src, const std::uint32_t* index, const float* scales, const float* shifts, std::size_t rows, std::uint32_t sourceRows, std::uint32_t cols, std::uint32_t channels);
void gatherRowsF32(float* dst, const float* src, const std::uint32_t* index, std::size_t rows, std::uint32_t sourceRows, std::uint32_t cols);
void gatherI32(std::int32_t* dst, const std::int32_t* src, const std::uint32_t* index, std::size_t rows, std::size_t sourceRows);
void randomBitsU32(std::uint32_t* out, std::size_t n, std::uint32_t key0, std::uint32_t key1, std::uint32_t blockLow, std::uint32_t blockHigh, std::uint32_t step, std::uint32_t site);
void uniformF32(float* out, std::size_t n, std::uint32_t key0, std::uint32_t key1, std::uint32_t blockLow, std::uint32_t blockHigh, std::uint32_t step, std::uint32_t site);
void normalF32(float* out, std::size_t n, float stddev, std::uint32_t key0, std::uint32_t key1, std::uint32_t blockLow, std::uint32_t blockHigh, std::uint32_t step, std::uint32_t site);
void addNormalF32(float* x, std::size_t n, float stddev, std::uint32_t key0, std::uint32_t key1, std::uint32_t blockLow, std::uint32_t blockHigh, std::uint32_t step, std::uint32_t site);
void normalF64(double* out, std::size_t n, double stddev, std::uint32_t key0, std::uint32_t key1, std::uint32_t blockLow, std::uint32_t blockHigh, std::uint32_t step, std::uint32_t site);
void bernoulliU8(std::uint8_t* out, std::size_t n, double probability, std::uint32_t key0, std::uint32_t key1, std::uint32_t blockLow, std::uint32_t blockHigh, std::uint32_t step, std::uint32_t site);
void permutationU32(std::uint32_t* out, std::size_t n, std::uint32_t key0, std::uint32_t key1, std::uint32_t step, std::uint32_t site);
void encodeF16(std::uint16_t* codes, const float* x, std::size_t n);
void decodeF16(float* x, const std::uint16_t* codes, std::size_t n);
void encodeBf16(std::uint16_t* codes, const float* x, std::size_t n);
void decodeBf16(float* x, const std::uint16_t* codes, std::size_t n);
void encodeF16Stochastic(std::uint16_t* codes, const float* x, std::size_t n, std::uint32_t key0, std::uint32_t key1, std::uint32_t blockLow, std::uint32_t blockHigh, std::uint32_t step, std::uint32_t site);
void encodeBf16Stochastic(std::uint16_t* codes, const float* x, std::size_t n, std::uint32_t key0, std::uint32_t key1, std::uint32_t blockLow, std::uint32_t blockHigh, std::uint32_t step, std::uint32_t site);
std::int32_t quantizeInt8(std::int8_t* codes, float* scales, const float* x, std::size_t n, std::uint32_t block);
std::int32_t quantizeInt8Stochastic(std::int8_t* codes, float* scales, const float* x, std::size_t n, std::uint32_t block, std::uint32_t key0, std::uint32_t key1, std::uint32_t blockLow, std::uint32_t blockHigh, std::uint32_t step, std::uint32_t site);
void dequantizeInt8(float* x, const std::int8_t* codes, const float* scales, std::size_t n, std::uint32_t block);
void dequantizeAccumulateInt8(double* acc, const std::int8_t* codes, const float* scales, std::size_t n, std::uint32_t block, double weight);
void encodeF8E4m3(std::uint8_t* codes, const float* x, std::size_t n);
void decodeF8E4m3(float* x, const std::uint8_t* codes, std::size_t n);
void encodeF8E5m2(std::uint8_t* codes, const float* x, std::size_t n);
void decodeF8E5m2(float* x, const std::uint8_t* codes, std::size_t n);
void accumulateSquaresF64(double* acc, const float* g, std::size_t n);
void movingAverageSquaresF32(float* v, const float* g, std::size_t n, float decay);
void scoreUnitsF64(double* scores, const double* fisher, std::size_t units, std::uint32_t rowLength);
void fisherAverageF32(float* dst, const float* const* models, const float* const* fishers, const double* weights, std::size_t n, std::size_t lists, double floor);
void gemmF32(float* c, const float* a, const float* b, const float* bias, std::uint32_t m, std::uint32_t n, std::uint32_t k, std::uint32_t transA, std::uint32_t transB, float alpha, float beta, std::uint32_t activation);
void outerRowsF32(float* out, const float* a, const float* b, std::size_t rows, std::uint32_t m, std::uint32_t n, float beta);
void conv2dF32(float* y, const float* x, const float* w, const float* bias, std::uint32_t batch, std::uint32_t inChannels, std::uint32_t height, std::uint32_t width, std::uint32_t outChannels, std::uint32_t kernelHeight, std::uint32_t kernelWidth, std::uint32_t stride, std::uint32_t padding, std::uint32_t outHeight, std::uint32_t outWidth, std::uint32_t activation);
void conv2dDataGradF32(float* dx, const float* dy, const float* w, std::uint32_t batch, std::uint32_t inChannels, std::uint32_t height, std::uint32_t width, std::uint32_t outChannels, std::uint32_t kernelHeight, std::uint32_t kernelWidth, std::uint32_t stride, std::uint32_t padding, std::uint32_t outHeight, std::uint32_t outWidth);
void conv2dWeightGradF32(float* dw, const float* x, const float* dy, std::uint32_t batch, std::uint32_t inChannels, std::uint32_t height, std::uint32_t width, std::uint32_t outChannels, std::uint32_t kernelHeight, std::uint32_t kernelWidth, std::uint32_t stride, std::uint32_t padding, std::uint32_t outHeight, std::uint32_t outWidth, float alpha, float beta);
void conv2dWeightGradRowsF32(float* out, const float* x, const float* dy, std::uint32_t batch, std::uint32_t inChannels, std::uint32_t height, std::uint32_t width, std::uint32_t outChannels, std::uint32_t kernelHeight, std::uint32_t kernelWidth, std::uint32_t stride, std::uint32_t padding, std::uint32_t outHeight, std::uint32_t outWidth, float beta);
void maxPoolF32(float* y, std::uint32_t* argmax, const float* x, std::uint32_t batch, std::uint32_t channels, std::uint32_t height, std::uint32_t width, std::uint32_t size, std::uint32_t stride, std::uint32_t outHeight, std::uint32_t outWidth);
void maxPoolGradF32(float* dx, const float* dy, const std::uint32_t* argmax, std::size_t inputs, std::size_t outputs);
void maxPoolGatherF32(float* y, const float* x, const std::uint32_t* argmax, std::size_t outputs, std::size_t inputs);
void averagePoolF32(float* y, const float* x, std::uint32_t batch, std::uint32_t channels, std::uint32_t height, std::uint32_t width, std::uint32_t size, std::uint32_t stride, std::uint32_t outHeight, std::uint32_t outWidth);
void averagePoolGradF32(float* dx, const float* dy, std::uint32_t batch, std::uint32_t channels, std::uint32_t height, std::uint32_t width, std::uint32_t size, std::uint32_t stride, std::uint32_t outHeight, std::uint32_t outWidth);
void reluF32(float* y, const float* x, std::size_t n);
void reluGradF32(float* dx, const float* dy, const float* y, std::size_t n);
void tanhF32(float* y, const float* x, std::size_t n);
void tanhGradF32(float* dx, const float* dy, const float* y, std::size_t n);
void sigmoidF32(float* y, const float* x, std::size_t n);
void sigmoidGradF32(float* dx, const float* dy, const float* y, std::size_t n);
void expF32(float* y, const float* x, std::size_t n);
void logF32(float* y, const float* x, std::size_t n);
void dropoutF32(float* y, const float* x, std::size_t n, float rate, std::uint32_t key0, std::uint32_t key1, std::uint32_t blockLow, std::uint32_t blockHigh, std::uint32_t step, std::uint32_t site);
void softmaxF32(float* p, const float* z, std::size_t rows, std::uint32_t cols);
void logSoftmaxF32(float* logp, const float* z, std::size_t rows, std::uint32_t cols);
void softmaxCrossEntropyF32(float* loss, float* delta, const float* z, const std::int32_t* labels, std::size_t rows, std::uint32_t cols, float scale);
void countCorrectF32(double* totals, const float* loss, const float* z, const std::int32_t* labels, std::size_t rows, std::uint32_t cols);
void addBiasF32(float* y, const float* bias, std::uint32_t batch, std::uint32_t channels, std::uint32_t spatial);
void sumChannelsF32(float* db, const float* dy, std::uint32_t batch, std::uint32_t channels, std::uint32_t spatial, float alpha, float beta);
void sumSpatialRowsF32(float* out, const float* dy, std::size_t rows, std::uint32_t spatial, float beta);
void scaleRowsF32(float* x, const float* factors, std::size_t rows, std::uint32_t cols);
void weightedSumRowsF32(float* dst, const float* x, const float* factors, std::size_t cols, std::uint32_t rows, float beta);
void transposeF32(float* dst, const float* src, std::uint32_t rows, std::uint32_t cols);
void ghostNormRowsF32(double* norms2, const float* a, const float* b, std::size_t rows, std::uint32_t aCols, std::uint32_t bCols, std::uint32_t withBias);
void clipFactorsF32(float* factors, const double* norms2, std::size_t rows, double maxNorm, float scale);
void multiplyAddF32(float* y, const float* a, const float* b, std::size_t n, float scale);
void squareF32(float* y, const float* x, std::size_t n);
void sgdStepF32(float* w, float* velocity, const float* g, std::size_t n, float lr, float momentum, std::uint32_t nesterov, float weightDecay);
void adamStepF32(float* w, float* m, float* v, const float* g, std::size_t n, float lr, float beta1, float beta2, float epsilon, float weightDecay, double beta1Power, double beta2Power);
void addAffineTermF32(float* g, const float* w, const float* center, const float* v, std::size_t n, float a);
void addAffineVectorF32(float* g, const float* a, const float* w, const float* center, std::size_t n);
void clipByNormF32(float* x, const double* norm2, std::size_t n, double maxNorm);
void deltaWeightedSumF32(float* dst, const float* base, const float* const* sources, const double* weights, std::size_t n, std::size_t lists);
void dotDeltasF64(double* dots, const float* const* sources, const float* x, const float* base, std::size_t lists, std::size_t n);
void sumAbsDeltaF64(double* sum, const float* x, const float* base, std::size_t n);
void electMeanF32(float* dst, const float* base, const float* const* deltas, const double* votes, const double* scales, const double* weights, std::size_t n, std::size_t lists, double lambda, double floor, std::uint32_t normalize);
void varianceF32(float* dst, const float* const* sources, const double* weights, std::size_t n, std::size_t lists);
void addUniqueDeltasF32(float* dst, const float* base, const float* const* sources, const double* uniqueScales, std::size_t n, std::size_t lists, double epsilon);
void countUniqueF64(double* shared, double* unique, const float* base, const float* const* sources, std::size_t lists, std::size_t n, double epsilon);
void nearSwapF32(float* dst, const float* base, const float* y, std::size_t n, double t);
void measureChangeF64(double* sums, const float* x, const float* base, std::size_t n);
void deltaWeightedSumHalf(std::uint16_t* dst, double* sums, const std::uint16_t* base, const std::uint16_t* const* sources, const double* weights, std::size_t n, std::size_t lists, std::uint32_t format);
void weightedSumHalf(std::uint16_t* dst, double* sums, const std::uint16_t* reference, const std::uint16_t* const* sources, const double* weights, std::size_t n, std::size_t lists, std::uint32_t format);
void countMagnitudesU32(std::uint32_t* counts, const float* x, const float* base, std::size_t n, std::uint32_t prefix, std::uint32_t prefixShift, std::uint32_t shift, std::uint32_t digits);
void keepBandF32(float* dst, std::uint32_t* quota, const float* x, const float* base, std::size_t n, std::uint32_t lowBits, std::uint32_t highBits);
void dropRankedDeltasF32(float* dst, std::uint32_t* scratch, const float* x, const float* base, std::size_t n, std::uint32_t length, std::uint32_t stride, double least, double slope, std::uint32_t expectation, std::uint32_t lead, std::uint32_t key0, std::uint32_t key1, std::uint32_t blockLow, std::uint32_t blockHigh, std::uint32_t step, std::uint32_t site);
void selectRankU32(std::uint32_t* found, const std::uint32_t* counts, std::size_t n, std::uint32_t rank);
void dropDeltasF32(float* dst, const float* x, const float* base, std::size_t n, double probability, std::uint32_t key0, std::uint32_t key1, std::uint32_t blockLow, std::uint32_t blockHigh, std::uint32_t step, std::uint32_t site);
void gateDeltaF32(float* dst, const float* x, const float* base, const float* gate, std::size_t n);
void packNonZeroU8(std::uint8_t* bits, const float* x, std::size_t n);
void gateBitsDeltaF32(float* dst, const float* x, const float* base, const std::uint8_t* bits, std::size_t n);
void accumulateGramF64(double* gram, const float* x, std::size_t rows, std::uint32_t width);
void addProductF64(double* c, const double* a, const float* b, std::uint32_t m, std::uint32_t n, std::uint32_t k);
std::uint32_t factorCholeskyF64(double* a, std::uint32_t n, double leastPivot);
void solveCholeskyF64(double* x, const double* factor, std::size_t m, std::uint32_t n);
void divergenceRowsF64(double* dst, const float* x, const float* base, std::size_t rows, std::uint32_t cols, double floor);
void scoreDeltaRowsF32(float* dst, const float* x, const float* base, const double* factors, std::size_t rows, std::uint32_t cols);
void takeScoredRowsF32(float* dst, const float* x, const float* base, const double* factors, std::size_t rows, std::uint32_t cols, float least);
void addDeltaGramF32(double* gram, double* baseSquare, const float* const* vectors, const float* base, std::size_t lists, std::size_t n);
void addDeltaGramHalf(double* gram, double* baseSquare, const std::uint16_t* const* vectors, const std::uint16_t* base, std::size_t lists, std::size_t n, std::uint32_t format);

extern const KernelTable kKernelTable;

}  // namespace heddle::HEDDLE_ISA
#endif
