// Takes a while, with nothing but a timer in its own thread.
export const trainer = {
  name: 'slow',
  async train({ params }) {
    await new Promise((resolve) => setTimeout(resolve, 800));
    return { update: Float32Array.from(params), lossSum: 0, correct: 0, examples: 1, steps: 1 };
  },
};
