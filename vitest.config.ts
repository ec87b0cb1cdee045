import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

// Tests run against the sources, not `dist`: the package's own fork is resolved to the Node side by hand.
export default defineConfig({
  resolve: {
    alias: [
      { find: '#platform', replacement: fileURLToPath(new URL('./src/platform/node.ts', import.meta.url)) },
    ],
  },
  test: {
    include: ['test/**/*.test.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
