export const train = () => {};
