import { describe, expect, it } from 'vitest';
import { createReference } from '../../../src/kernels/reference.js';
import { describePlan, formatPlan } from '../../../src/merge/planner/describe.js';
import { planCase } from './golden.js';

const kernels = createReference();

describe('descriptions of plans', () => {
  it('count bytes, passes and parameters', () => {
    const plan = planCase('llama-outdtype-bf16');
    const description = describePlan(plan, { kernels });
    // Two layers of [8,8] x2, [4,8] x2, [12,8] x2, [8,12], [8] x2; embedding and head [20,8]; norm [8].
    const parameters = 2 * (128 + 64 + 192 + 96 + 16) + 320 + 8;
    expect(description.parameters).toBe(parameters);
    expect(description.bytesWritten).toBe(2 * parameters);
    const passes = description.tensors[0].passes;
    expect(passes).toBeGreaterThanOrEqual(2);
    expect(description.tensors.every((tensor) => tensor.passes === passes)).toBe(true);
    expect(description.bytesRead).toBe(4 * 3 * parameters * passes);
    expect(description.peakBytes).toBeLessThan(160 * (3 * 4 + 3 * 4 + 4 + 2) + 1);
    expect(description.warnings.join()).toMatch(/smaller type/);
    expect(JSON.parse(JSON.stringify(description)).tensors).toHaveLength(plan.outputs.length);
  });

  it('bound memory by the chunk, not the tensor', () => {
    const plan = planCase('llama-all-tied');
    const of = (chunkElements: number, workers = 1) =>
      describePlan(plan, { kernels, chunkElements, workers }).peakBytes;
    expect(of(16)).toBe(16 * (2 * 4 + 2 * 4 + 4 + 4));
    expect(of(16, 3)).toBe(3 * of(16));
  });

  it('are read by a person: one line for alike tensors, totals, warnings', () => {
    const text = formatPlan(describePlan(planCase('llama-passthrough-stack'), { kernels }));
    expect(text).toMatch(/model\.layers\.\*\.self_attn\.q_proj\.weight\s+5\s+\[8, 8\]\s+F32/);
    expect(text).toMatch(/lm_head\.weight\s+1\s+\[20, 8\]\s+F32\s+copy/);
    expect(text).toMatch(/to write {6,8}\d/);
  });

  it('have any number of tensors and lines, also more than a call can have arguments', () => {
    const plan = planCase('llama-all-tied');
    const outputs = Array.from({ length: 150_000 }, (_, i) => ({ ...plan.outputs[0], name: `t${i}.w` }));
    const lines = formatPlan(describePlan({ ...plan, outputs }, { kernels })).split('\n');
    expect(lines.filter((line) => /^t\d+\.w +1 /.test(line))).toHaveLength(150_000);
  });
});
