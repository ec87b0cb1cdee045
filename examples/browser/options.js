/** The run that this page makes, as `simulate` takes it, and as a command that gives the same bytes outside the browser. */

const splits = {
  alike: { type: 'iid', numPartitions: 100 },
  uneven: { type: 'dirichlet', numPartitions: 100, alpha: 1 },
};

/**
 * @param {{ rounds: number, cohortSize: number, split: 'alike' | 'uneven', threads: number }} choice - the form's values;
 *   `threads` changes the time and nothing else.
 */
export function simulateOptions({ rounds, cohortSize, split, threads }) {
  return {
    run: { name: 'browser', numServerRounds: rounds, seed: 0 },
    data: { task: 'mnist-2nn', synthetic: true, partitioner: splits[split] },
    client: { lr: 0.05 },
    strategy: { cohortSize },
    backend: { type: 'wasm', workers: threads },
  };
}

/** The same run on the command line. */
export function simulateCommand({ rounds, cohortSize, split }) {
  const { type, numPartitions, alpha } = splits[split];
  const partitioner = [`type: ${type}`, `num-partitions: ${numPartitions}`];
  if (alpha !== undefined) partitioner.push(`alpha: ${alpha}`);
  return [
    'npx heddle simulate mnist-2nn --synthetic --backend wasm',
    `-c run.num-server-rounds=${rounds}`,
    '-c client.lr=0.05',
    `-c strategy.cohort-size=${cohortSize}`,
    `-c "data.partitioner={${partitioner.join(', ')}}"`,
  ].join(' ');
}
