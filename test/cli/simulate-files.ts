import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** A big-endian IDX file of unsigned bytes (magic 0x08, then the number of axes). */
export function idx(shape: readonly number[], values: (i: number) => number): Uint8Array {
  const size = shape.reduce((a, b) => a * b, 1);
  const bytes = new Uint8Array(4 + 4 * shape.length + size);
  const view = new DataView(bytes.buffer);
  bytes[2] = 0x08;
  bytes[3] = shape.length;
  for (const [axis, length] of shape.entries()) view.setUint32(4 + 4 * axis, length);
  for (let i = 0; i < size; i++) bytes[4 + 4 * shape.length + i] = values(i);
  return bytes;
}

export interface SmallTask {
  /** Configuration file of a three-round run on the files. */
  config: string;
  trainImages: string;
  trainLabels: string;
}

/** 200 images of 28 x 28 in two halves that a linear model can tell apart, in IDX files, with a configuration beside them. */
export async function writeSmallTask(
  folder: string,
  change: Record<string, string> = {},
): Promise<SmallTask> {
  const at = (name: string): string => join(folder, name);
  const pixel = (i: number): number => {
    const image = Math.floor(i / 784);
    return i % 784 < 392 === image % 10 < 5 ? 200 : 20;
  };
  for (const [name, count] of [
    ['train', 200],
    ['test', 50],
  ] as const) {
    await writeFile(at(`${name}-images`), idx([count, 28, 28], pixel));
    await writeFile(
      at(`${name}-labels`),
      idx([count], (i) => i % 10),
    );
  }
  const sections: Record<string, string> = {
    run: '{ name: small, num-server-rounds: 3, dir: runs }',
    data: `
  source: { format: idx, images: train-images, labels: train-labels, test-images: test-images, test-labels: test-labels }
  partitioner: { type: iid, num-partitions: 10 }`,
    model: '{ type: softmax-regression }',
    client: '{ local-epochs: 1, batch-size: 10, lr: 0.05 }',
    strategy: '{ cohort-size: 4 }',
    backend: '{ type: auto, workers: 1 }',
    ...change,
  };
  const config = at('run.yaml');
  const lines = Object.entries(sections).map(([name, value]) => `${name}: ${value}`);
  await writeFile(config, `schema: 1\n${lines.join('\n')}\n`);
  return { config, trainImages: at('train-images'), trainLabels: at('train-labels') };
}
