// Writes schema/heddle.schema.json from the built configuration schema. `--check` writes nothing and exits 1 if the
// file differs, so that CI finds a schema that was not regenerated.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const built = new URL('../dist/federation/config/json-schema.js', import.meta.url);
const target = new URL('../schema/heddle.schema.json', import.meta.url);

if (!existsSync(built)) {
  console.error('generate-schema: dist is missing; run `npm run build` first');
  process.exit(1);
}
const { configJsonSchema } = await import(built.href);
const text = `${JSON.stringify(configJsonSchema(), null, 2)}\n`;
const current = existsSync(target) ? readFileSync(target, 'utf8') : '';

if (process.argv.includes('--check')) {
  if (current !== text) {
    console.error(
      `generate-schema: ${fileURLToPath(target)} is out of date; run node scripts/generate-schema.mjs`,
    );
    process.exit(1);
  }
} else if (current !== text) {
  mkdirSync(new URL('.', target), { recursive: true });
  writeFileSync(target, text);
}
