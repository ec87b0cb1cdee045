// Ends its thread in front of client 3, whenever it is asked.
import { trainer as constant } from './constant.mjs';

export const trainer = {
  name: 'dies',
  train(job) {
    if (job.client === 3) process.exit(7);
    return constant.train(job);
  },
};
