// Rooms of src/ from the top floor to the ground: an import may only go down (docs/architecture.md).
const ROOMS = [
  'cli',
  'report',
  'audit',
  'collapse',
  'federation',
  'merge',
  'transport',
  'update',
  'privacy',
  'combine',
  'train',
  'nn',
  'program',
  'data',
  'tensor',
  'kernels',
  'config',
  'platform',
];

const upward = ROOMS.slice(1).map((room, below) => ({
  name: `${room} imports downwards only`,
  severity: 'error',
  comment: `src/${room} may not import from ${ROOMS.slice(0, below + 1).join(', ')}`,
  from: { path: `^src/${room}/` },
  to: { path: `^src/(${ROOMS.slice(0, below + 1).join('|')})/` },
}));

/** Files that only Node loads: the command line, the Node side of the platform, and what says so in its name. */
const NODE_ONLY = '^src/(cli/|platform/node\\.ts$|.*\\.node\\.ts$|index\\.ts$|[a-z-]+/index\\.ts$)';

/** @type {import('dependency-cruiser').IConfiguration} */
export default {
  forbidden: [
    {
      name: 'no cycles',
      severity: 'error',
      comment: 'two modules that need each other are one, or hide a third',
      from: {},
      to: { circular: true },
    },
    {
      name: 'errors and version are below all',
      severity: 'error',
      from: { path: '^src/(errors|version)\\.ts$' },
      to: { path: '^src/' },
    },
    {
      name: 'public entries are imported by nobody',
      severity: 'error',
      comment: 'the sources import each other directly; only users of the package go through its entries',
      from: { path: `^src/(${ROOMS.join('|')})/`, pathNot: NODE_ONLY },
      to: { path: '^src/index(\\.web)?\\.ts$' },
    },
    {
      name: 'browser-safe code stays free of Node',
      severity: 'error',
      comment: 'name the file *.node.ts, or reach it through src/platform',
      from: { path: '^src/', pathNot: NODE_ONLY },
      to: { dependencyTypes: ['core'] },
    },
    {
      name: 'browser-safe code stays free of Node-only files',
      severity: 'error',
      from: { path: '^src/', pathNot: NODE_ONLY },
      to: { path: '^src/(.*\\.node\\.ts$|platform/node\\.ts$)' },
    },
    ...upward,
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '(^|/)(dist|build)/' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
  },
};
