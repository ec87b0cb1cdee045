// Generated from src/kernels/table.ts by scripts/generate-kernels.mjs; do not edit.
export { fillF32, copyF32, scaleF32, axpyF32, addF32, subtractF32, multiplyF32, lerpF32, applyMaskF32, addF64, copyF64, fillF64 } from './vector';
export { dotF32, sumSquaresF32, maxAbsF32, allFiniteF32, dotAndNormsF32, sumSegmentsF32, sumSquaresRowsF32 } from './reduce';
export { clipInPlaceF32, clipAccumulateF64, accumulateF64, maskedAccumulateF64, meanF32, meanOfHoldersF32, weightedSumF32 } from './clip';
export { magnitudeThresholdF32, gatherBlocksF32, scatterBlocksF32, gatherRowsU8F32, gatherRowsF32, gatherI32 } from './select';
export { randomBitsU32, uniformF32, normalF32, addNormalF32, normalF64, bernoulliU8, permutationU32 } from './random';
export { encodeF16, decodeF16, encodeBf16, decodeBf16, encodeF16Stochastic, encodeBf16Stochastic, quantizeInt8, quantizeInt8Stochastic, dequantizeInt8, dequantizeAccumulateInt8, encodeF8E4m3, decodeF8E4m3, encodeF8E5m2, decodeF8E5m2 } from './quant';
export { accumulateSquaresF64, movingAverageSquaresF32, scoreUnitsF64, fisherAverageF32 } from './fisher';
export { gemmF32, outerRowsF32 } from './gemm';
export { conv2dF32, conv2dDataGradF32, conv2dWeightGradF32, conv2dWeightGradRowsF32 } from './conv';
export { maxPoolF32, maxPoolGradF32, maxPoolGatherF32, averagePoolF32, averagePoolGradF32 } from './pool';
export { reluF32, reluGradF32, tanhF32, tanhGradF32, sigmoidF32, sigmoidGradF32, expF32, logF32, dropoutF32 } from './activation';
export { softmaxF32, logSoftmaxF32, softmaxCrossEntropyF32, countCorrectF32 } from './loss';
export { addBiasF32, sumChannelsF32, sumSpatialRowsF32, scaleRowsF32, weightedSumRowsF32, transposeF32, ghostNormRowsF32, clipFactorsF32, multiplyAddF32, squareF32 } from './layout';
export { sgdStepF32, adamStepF32, addAffineTermF32, addAffineVectorF32, clipByNormF32 } from './optimizer';
export { deltaWeightedSumF32, dotDeltasF64, sumAbsDeltaF64, electMeanF32, varianceF32, addUniqueDeltasF32, countUniqueF64, nearSwapF32, measureChangeF64, deltaWeightedSumHalf, weightedSumHalf } from './merge';
export { countMagnitudesU32, keepBandF32, dropRankedDeltasF32, selectRankU32 } from './rank';
export { dropDeltasF32, gateDeltaF32, packNonZeroU8, gateBitsDeltaF32 } from './mask';
export { accumulateGramF64, addProductF64, factorCholeskyF64, solveCholeskyF64 } from './linalg';
export { divergenceRowsF64, scoreDeltaRowsF32, takeScoredRowsF32 } from './divergence';
export { addDeltaGramF32, addDeltaGramHalf } from './gram';
// Where free memory starts: below it lie the scratch blocks of the kernels.
export { __heap_base };
