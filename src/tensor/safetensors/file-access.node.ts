import { readSync, writeSync } from 'node:fs';
import { InputChangedError } from './errors.js';
import type { FileAccess } from './file-range.js';
import { modelIoError } from './io-error.js';

/** The file system by blocking calls: in a thread of one's own, cheaper than a hop to another thread and back. */
export const fileAccess: FileAccess = {
  read({ descriptor, position, path }, at, into) {
    try {
      for (let done = 0; done < into.length; ) {
        const count = readSync(descriptor, into, done, into.length - done, position + at + done);
        if (count === 0) throw new InputChangedError(path, 'it became shorter');
        done += count;
      }
    } catch (error) {
      throw modelIoError(error, 'reading', path);
    }
  },
  write({ descriptor, position, path }, at, bytes) {
    try {
      for (let done = 0; done < bytes.length; )
        done += writeSync(descriptor, bytes, done, bytes.length - done, position + at + done);
    } catch (error) {
      throw modelIoError(error, 'writing', path);
    }
  },
};
