import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { HeddleError } from '../errors.js';
import type { ReportAssets } from './html.js';

/**
 * Reads the page's script and style, which `scripts/build-report.mjs` puts beside this module in `dist`; when the
 * sources run themselves, those of the last build are taken.
 *
 * @param folder - another folder that holds `page.js` and `page.css`; a URL that ends in a slash.
 * @throws {HeddleError} `ERR_REPORT_ASSETS` when they are missing.
 */
export async function readReportAssets(folder?: URL): Promise<ReportAssets> {
  const places = folder
    ? [folder]
    : [new URL('./', import.meta.url), new URL('../../dist/report/', import.meta.url)];
  let failure: unknown;
  for (const place of places) {
    try {
      const [script, style] = await Promise.all(
        ['page.js', 'page.css'].map((name) => readFile(new URL(name, place), 'utf8')),
      );
      return { script, style, scriptSha256: sha256(script), styleSha256: sha256(style) };
    } catch (error) {
      failure ??= error;
    }
  }
  throw new HeddleError(
    'ERR_REPORT_ASSETS',
    `report: the page's script and style are not in ${places[0].pathname}`,
    'run `npm run build`, or install the package again',
    { cause: failure },
  );
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('base64');
}
