import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { mergeRecipe } from '../../src/merge/merge.node.js';
import { mergeRecipeBlobs } from '../../src/merge/merge-blobs.js';
import type { StreamProgress } from '../../src/merge/stream/stream.js';
import { f32, readJson, writeFiles, writeModelFolder } from './model-files.js';
import { readBytes, temporaryFolder, uniform } from './stream/fixtures.js';

const folder = await temporaryFolder();
const SIZE = 60;
const base = uniform(SIZE, 1);
const near = base.map((x, i) => x + 0.01 * uniform(SIZE, 2)[i]);
const far = base.map((x, i) => x + 2 * uniform(SIZE, 3)[i]);
for (const [name, values] of Object.entries({ base, near, far }))
  writeModelFolder(join(folder, name), { 'h.0.w': f32([6, 10], values) });

let made = 0;
async function run(recipe: string, options: object = {}) {
  const out = join(folder, `out${++made}`);
  const summary = await mergeRecipe(recipe, out, { baseFolder: folder, ...options });
  return { out, summary, report: readJson(out, 'merge_report.json') };
}
const SLERP = 'merge_method: slerp\nbase_model: base\nmodels: [{model: far}]\nparameters: {t: 0.25}\n';
const dare = (model: string) =>
  `merge_method: dare_linear\nbase_model: base\nmodels: [{model: ${model}, parameters: {weight: 1, density: 0.5}}]\n`;

const meanDelta = (x: Float32Array) =>
  x.reduce((sum, v, i) => sum + Math.abs(Math.fround(v - base[i])), 0) / SIZE;

describe('merge_report.json', () => {
  it('says what was merged, how, and what methods found', async () => {
    const { report } = await run(SLERP, { seed: 7 });
    const dot = (x: Float32Array, y: Float32Array) => x.reduce((sum, v, i) => sum + v * y[i], 0);
    const cosine = dot(base, far) / Math.sqrt(dot(base, base) * dot(far, far));
    const bytes = readBytes(join(folder, 'base')).then(({ length }) => length);
    expect(report).toMatchObject({
      recipe: SLERP,
      'recipe-sha256': createHash('sha256').update(SLERP).digest('hex'),
      seed: '7',
      models: [
        { model: 'far', files: [{ name: 'model.safetensors', bytes: await bytes }] },
        { model: 'base', files: [{ name: 'model.safetensors', bytes: await bytes }] },
      ],
      'non-finite': 0,
      tensors: [
        {
          tensor: 'h.0.w',
          method: 'slerp',
          inputs: [
            ['far', 'h.0.w'],
            ['base', 'h.0.w'],
          ],
          parameters: { t: 0.25 },
          statistics: { t: 0.25, cosine: expect.closeTo(cosine, 12) },
        },
      ],
      timings: { 'bytes-read': expect.any(Number), backend: expect.any(String) },
    });
  });

  it('names the inputs by their content where that is asked for, on disk and in memory', async () => {
    const seen: number[] = [];
    const { report, out } = await run(SLERP, {
      hashInputs: true,
      onProgress: ({ bytesDone, bytes }: StreamProgress) => seen.push(bytesDone / bytes),
    });
    const hashOf = (values: Float32Array): string =>
      createHash('sha256')
        .update(`${JSON.stringify(['h.0.w', 'F32', [6, 10]])}\n`)
        .update(new Uint8Array(values.buffer, values.byteOffset, values.byteLength))
        .digest('hex');
    expect(report.models).toMatchObject([{ 'model-sha256': hashOf(far) }, { 'model-sha256': hashOf(base) }]);
    expect(seen).toEqual(seen.toSorted((x, y) => x - y));
    expect(seen.at(-1)).toBe(1);
    const bytesOf = async (name: string) => new Uint8Array(await readBytes(join(folder, name)));
    const { files } = await mergeRecipeBlobs(
      SLERP,
      { base: await bytesOf('base'), far: await bytesOf('far') },
      { hashInputs: true },
    );
    const inMemory = JSON.parse(Buffer.from(files.get('merge_report.json') ?? []).toString());
    expect(inMemory.models.map((model: object) => Object.entries(model)[1])).toEqual(
      (report.models as object[]).map((model) => Object.entries(model)[1]),
    );
    expect((await readBytes(out)).equals(await readBytes((await run(SLERP)).out))).toBe(true);
  });

  it('differs between runs in timings alone', async () => {
    const [a, b] = [await run(dare('near')), await run(dare('near'), { workers: 1, memory: 256e6 })];
    expect({ ...a.report, timings: 0 }).toEqual({ ...b.report, timings: 0 });
    expect((await readBytes(a.out)).equals(await readBytes(b.out))).toBe(true);
  });
});

describe('what the values show', () => {
  it('is the size of task vectors that are dropped from, above 0.03', async () => {
    const { report, summary } = await run(dare('far'));
    const [{ statistics }] = report.tensors as { statistics: Record<string, number> }[];
    expect(statistics.meanDelta).toBeCloseTo(meanDelta(far), 6);
    expect(statistics.keptShare).toBeGreaterThan(0.1);
    expect(statistics.keptShare).toBeLessThan(0.9);
    expect(summary.warnings.join()).toMatch(
      /task vectors have a mean magnitude of 0\.\d+, above 0\.03, most in h\.0\.w/,
    );
    expect(report.warnings).toEqual(summary.warnings);
    expect(meanDelta(near)).toBeLessThan(0.03);
    expect((await run(dare('near'))).summary.warnings).toEqual([]);
  });

  it('is that models are identical, or point in one direction', async () => {
    const same = await run(SLERP.replace('far', 'base2'), { baseFolder: twins() });
    expect(same.summary.warnings.join()).toMatch(/the result is the base/);
    const colinear = await run(SLERP.replace('far', 'double'), { baseFolder: twins() });
    expect(colinear.summary.warnings.join()).toMatch(/colinear in every tensor/);
  });
});

function twins(): string {
  writeModelFolder(join(folder, 'base2'), { 'h.0.w': f32([6, 10], base) });
  writeModelFolder(join(folder, 'double'), {
    'h.0.w': f32(
      [6, 10],
      base.map((x) => 2 * x),
    ),
  });
  return folder;
}

describe('the model card', () => {
  it('names models, method and recipe, and can be left out', async () => {
    const { out } = await run(`${SLERP}# with \`\`\` ticks\n`);
    const card = readFileSync(join(out, 'README.md'), 'utf8');
    expect(card).toMatch(
      /^---\nbase_model:\n- "far"\n- "base"\nlibrary_name: transformers\ntags:\n- merge\n/,
    );
    expect(card).toMatch(/\* `slerp`: Shoemake 1985/);
    expect(card).toContain(`\`\`\`\`yaml\n${SLERP}# with`);
    const { out: bare } = await run(SLERP, { modelCard: false });
    expect(() => readFileSync(join(bare, 'README.md'))).toThrow(/ENOENT/);
  });

  it('is written anew with the model, and never over what somebody else wrote', async () => {
    const out = join(folder, 'mine');
    await mergeRecipe(SLERP, out, { baseFolder: folder });
    const again = SLERP.replace('0.25', '0.5');
    await mergeRecipe(again, out, { baseFolder: folder, overwrite: true });
    expect(readFileSync(join(out, 'README.md'), 'utf8')).toContain('t: 0.5');
    writeFiles(out, { 'README.md': 'my notes' });
    const { warnings } = await mergeRecipe(SLERP, out, { baseFolder: folder, overwrite: true });
    expect(warnings.join()).toMatch(/README\.md was there before and is kept/);
    expect(readFileSync(join(out, 'README.md'), 'utf8')).toBe('my notes');
    // What cannot be read may be somebody's too.
    rmSync(join(out, 'README.md'));
    mkdirSync(join(out, 'README.md'));
    expect((await mergeRecipe(SLERP, out, { baseFolder: folder, overwrite: true })).warnings.join()).toMatch(
      /README\.md was there before and is kept/,
    );
  });
});
