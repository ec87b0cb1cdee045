/** 16 KiB that one kernel at a time may use for anything; it holds nothing between calls. */
export const scratch: usize = memory.data(16384, 64);
