// What the two ways of correlating share: the shape of the call that runs, and packed weights.

// The shape of the call that runs; globals, because a kernel has no other place to keep them.
export let batch: usize;
export let chainChannels: usize;
export let laneChannels: usize;
export let inHeight: usize;
export let inWidth: usize;
export let outHeight: usize;
export let outWidth: usize;
export let kernelHeight: usize;
export let kernelWidth: usize;
export let stride: usize;
export let padding: usize;
export let adjoint: bool;


// A convolution makes rows x columns from height x width; its adjoint goes back, with the channels exchanged.
export function setShape(
  isAdjoint: bool,
  images: u32,
  inChannels: u32,
  height: u32,
  width: u32,
  outChannels: u32,
  kernelRows: u32,
  kernelColumns: u32,
  step: u32,
  pad: u32,
  rows: u32,
  columns: u32,
): void {
  adjoint = isAdjoint;
  batch = images;
  chainChannels = isAdjoint ? outChannels : inChannels;
  laneChannels = isAdjoint ? inChannels : outChannels;
  inHeight = isAdjoint ? rows : height;
  inWidth = isAdjoint ? columns : width;
  outHeight = isAdjoint ? height : rows;
  outWidth = isAdjoint ? width : columns;
  kernelHeight = kernelRows;
  kernelWidth = kernelColumns;
  stride = step;
  padding = pad;
}

// Weights of chain steps from .. from+count for `vectors` vectors of lanes from `lane` on. The channel whose index runs with
// the lanes lies `laneStep` bytes apart, the one of the chain `channelStep`.
export function packWeights(to: usize, w: usize, lane: usize, vectors: usize, from: usize, count: usize): void {
  const taps = (kernelHeight * kernelWidth) << 2;
  const laneStep = adjoint ? taps : chainChannels * taps;
  const channelStep = adjoint ? laneChannels * taps : taps;
  const width = vectors << 2;
  for (let p = from; p < from + count; p++) {
    const at = w + (p % chainChannels) * channelStep + ((p / chainChannels) << 2);
    for (let i = lane; i < lane + width; i++, to += 4)
      store<f32>(to, i < laneChannels ? load<f32>(at + i * laneStep) : 0);
  }
}

