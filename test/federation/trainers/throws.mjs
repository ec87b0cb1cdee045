export const trainer = {
  name: 'throws',
  async train({ client }) {
    throw new RangeError(`no tensor for ${client}`);
  },
};
