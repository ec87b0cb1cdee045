// Imports point down the list of rooms, without cycles, and browser-safe code never reaches Node: .dependency-cruiser.mjs.
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cruise } from 'dependency-cruiser';
import extractTSConfig from 'dependency-cruiser/config-utl/extract-ts-config';
import config from '../.dependency-cruiser.mjs';

process.chdir(fileURLToPath(new URL('..', import.meta.url)));
const { options, ...ruleSet } = config;
const { output } = await cruise(['src'], { ...options, ruleSet, validate: true }, undefined, {
  tsConfig: extractTSConfig('tsconfig.json'),
});
const { violations, totalCruised } = output.summary;

const sources = countSources('src');
if (totalCruised < sources) {
  console.error(
    `imports: only ${totalCruised} modules were read of ${sources} sources; the check is not to be trusted`,
  );
  process.exit(1);
}
for (const { rule, from, to, cycle } of violations) {
  const path = cycle ? cycle.map(({ name }) => name).join(' -> ') : to;
  console.error(`imports: ${rule.name}: ${from} -> ${path}`);
}
if (violations.length > 0) process.exit(1);
console.log(`imports: ${sources} sources, none points upwards, no cycles`);

function countSources(folder) {
  return readdirSync(folder).reduce((sum, name) => {
    const path = join(folder, name);
    if (statSync(path).isDirectory()) return sum + countSources(path);
    return sum + (name.endsWith('.ts') ? 1 : 0);
  }, 0);
}
