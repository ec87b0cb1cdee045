import { HeddleError } from '../errors.js';

/** The host has no WebCrypto: a page outside a secure context, mostly. */
export class NoWebCryptoError extends HeddleError {
  constructor() {
    super(
      'ERR_NO_WEBCRYPTO',
      'this host offers no WebCrypto digest (globalThis.crypto.subtle)',
      'serve the page over https or from localhost, or use Node 20 and newer',
    );
  }
}

/**
 * SHA-256 of `bytes` as 64 lower-case hexadecimal digits (FIPS 180-4), the same in Node and in browsers.
 *
 * @param bytes - any view; its own bytes are hashed, not the whole buffer behind it. The caller must not write to it
 *   until the promise settles. Views on shared memory are copied first, because WebCrypto refuses them.
 * @throws {NoWebCryptoError} where the host has no `crypto.subtle`.
 */
export async function sha256Hex(bytes: ArrayBufferView): Promise<string> {
  const subtle = globalThis.crypto?.subtle;
  if (subtle === undefined) throw new NoWebCryptoError();
  const view = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const digest = await subtle.digest('SHA-256', isUnshared(view) ? view : new Uint8Array(view));
  let hex = '';
  for (const byte of new Uint8Array(digest)) hex += byte.toString(16).padStart(2, '0');
  return hex;
}

function isUnshared(view: Uint8Array): view is Uint8Array<ArrayBuffer> {
  return view.buffer instanceof ArrayBuffer;
}
