import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { HeddleError } from '../../src/errors.js';
import { embedJson, escapeHtml, renderReport } from '../../src/report/html.js';
import { readReportAssets } from '../../src/report/report-assets.node.js';
import { buildPageData } from '../../src/report/report-data.js';
import { fakePartition, fakeReport } from './fake-run.js';

const assets = { script: 'void 0', style: 'b{}', scriptSha256: 'SCRIPT', styleSha256: 'STYLE' };

describe('text in the report', () => {
  it('cannot leave the element or attribute it stands in', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const escaped = escapeHtml(text);
        expect(escaped).not.toMatch(/[<>"']/);
        const entities = { '&lt;': '<', '&gt;': '>', '&quot;': '"', '&#39;': "'", '&amp;': '&' };
        const back = escaped.replace(/&\w+;|&#39;/g, (entity) => entities[entity as keyof typeof entities]);
        expect(back).toBe(text);
      }),
      { seed: 16, numRuns: 300 },
    );
  });

  it('is carried to the script as JSON without any markup', () => {
    fc.assert(
      fc.property(
        fc.jsonValue(),
        fc.constantFrom('</script>', '<!--', ']]>', '\u2028\u2029'),
        (value, hostile) => {
          const json = embedJson([value, hostile]);
          expect(json).not.toMatch(/[<>&\u2028\u2029]/);
          expect(JSON.parse(json)).toEqual(JSON.parse(JSON.stringify([value, hostile])));
        },
      ),
      { seed: 17, numRuns: 300 },
    );
  });
});

describe('the report file', () => {
  it('allows nothing but its own script and style', () => {
    const html = renderReport(fakeReport({ rounds: 2 }), assets);
    const policy = /http-equiv="Content-Security-Policy" content="([^"]*)"/.exec(html)?.[1];
    expect(policy?.replaceAll('&#39;', "'").split('; ')).toEqual([
      "default-src 'none'",
      "script-src 'sha256-SCRIPT'",
      "style-src 'sha256-STYLE'",
      "base-uri 'none'",
      "form-action 'none'",
    ]);
    expect(html).not.toMatch(/ (style|on\w+)=|<link|https?:\/\//);
  });

  it('tells figures, privacy and configuration without JavaScript', () => {
    const data = fakeReport({ rounds: 60 });
    const html = renderReport(data, assets);
    const accuracy = data.summary.metrics['central-val/accuracy'];
    expect(html).toContain(`<b>${(100 * accuracy.final).toFixed(1)} %</b>`);
    expect(html).toContain(`round ${accuracy.bestRound}`);
    expect(html).toContain(data.summary.fingerprint);
    expect(html).toContain('ε = ∞');
    expect(html).toContain('privacy.unaccounted');
    expect(html).toContain('AMD EPYC 7763, 2 cores');
  });

  it('shows a budget without the warning colour when there is a guarantee', () => {
    const data = fakeReport({ rounds: 2 });
    const privacy = {
      epsilon: 7.98765,
      delta: 1e-5,
      guarantee: 'epsilon-delta',
      reasons: [],
      noise: 'z = 1',
    } as const;
    const html = renderReport({ ...data, summary: { ...data.summary, privacy } }, assets);
    expect(html).not.toContain('box warning');
    expect(html).toContain('ε = 7.988 at δ = 1.000e−5');
  });

  it('never shows an epsilon smaller than it is', () => {
    const data = fakeReport({ rounds: 2 });
    const privacy = {
      epsilon: 1.00049,
      delta: 1e-5,
      guarantee: 'epsilon-delta',
      reasons: [],
      noise: '',
    } as const;
    const html = renderReport({ ...data, summary: { ...data.summary, privacy } }, assets);
    const shown = Number(/ε = ([\d.]+)/.exec(html)?.[1]);
    expect(shown).toBeGreaterThanOrEqual(1.00049);
  });

  it('refuses assets that would end their own element', () => {
    const data = fakeReport({ rounds: 1 });
    for (const broken of [
      { ...assets, script: 'a="</SCRIPT >"' },
      { ...assets, style: '</style>' },
    ])
      expect(() => renderReport(data, broken)).toThrow(HeddleError);
  });

  it('gets the hashes of its assets from their text, and says what to do without them', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'heddle-assets-'));
    try {
      const url = pathToFileURL(`${folder}/`);
      await expect(readReportAssets(url)).rejects.toMatchObject({ code: 'ERR_REPORT_ASSETS' });
      writeFileSync(join(folder, 'page.js'), 'é');
      writeFileSync(join(folder, 'page.css'), '');
      const read = await readReportAssets(url);
      expect(read.scriptSha256).toBe(createHash('sha256').update(Buffer.from('é')).digest('base64'));
      expect(read.styleSha256).toBe('47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=');
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe('the data of the plots', () => {
  it('has one point for each measurement, and null for what is not finite', () => {
    const data = fakeReport({ rounds: 3 });
    const events = data.events.map((event) =>
      event.event === 'round' && event.round === 2
        ? { ...event, metrics: { ...event.metrics, 'train/loss': Number.NaN } }
        : event,
    );
    const page = buildPageData({ ...data, events });
    const loss = page.loss.find((series) => series.name === 'train/loss');
    expect(loss?.rounds).toEqual([1, 2, 3]);
    expect(loss?.values[1]).toBeNull();
    // The evaluation of the initial model is round 0.
    expect(page.accuracy[0].rounds).toEqual([0, 1, 2, 3]);
    expect(JSON.stringify(page)).not.toContain('NaN');
  });

  it('stacks stages that add up to the traffic of the round', () => {
    const data = fakeReport({ rounds: 12 });
    const { bytes } = buildPageData(data);
    const rounds = data.events.filter((event) => event.event === 'round');
    for (const [r, event] of rounds.entries()) {
      const total = bytes?.values.reduce((sum, values) => sum + values[r], 0);
      expect(total).toBe(event.metrics['comm/up-bytes'] + event.metrics['comm/down-bytes']);
    }
  });

  it('draws an even sample of a large population, its ends included', () => {
    const page = buildPageData({ ...fakeReport({ rounds: 1 }), partition: fakePartition(10_000) });
    const ids = page.partition?.clients.map((client) => client.id) ?? [];
    expect(page.partition?.population).toBe(10_000);
    expect(ids).toHaveLength(300);
    expect([ids[0], ids.at(-1)]).toEqual([0, 9999]);
    const steps = ids.slice(1).map((id, i) => id - ids[i]);
    expect(Math.max(...steps) - Math.min(...steps)).toBeLessThanOrEqual(1);
  });
});
