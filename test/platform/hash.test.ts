import { createHash } from 'node:crypto';
import { describe, expect, it, vi } from 'vitest';
import { sha256Hex } from '../../src/platform/hash.js';
import { platform } from '../../src/platform/node.js';
import { createSha256 } from '../../src/platform/sha256.js';

const text = (s: string) => new TextEncoder().encode(s);

describe('sha256Hex', () => {
  // NIST FIPS 180-4 examples: empty message, "abc", and the two-block message.
  it.each([
    ['', 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'],
    ['abc', 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'],
    [
      'abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq',
      '248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1',
    ],
  ])('gives the published digest of %j', async (message, digest) => {
    expect(await sha256Hex(text(message))).toBe(digest);
  });

  it('hashes the view and not the buffer behind it', async () => {
    const padded = text('xxabcxx');
    expect(await sha256Hex(padded.subarray(2, 5))).toBe(await sha256Hex(text('abc')));
  });

  it('takes views of other types and shared memory', async () => {
    const shared = new Uint8Array(new SharedArrayBuffer(3));
    shared.set(text('abc'));
    expect(await sha256Hex(shared)).toBe(await sha256Hex(text('abc')));
    const words = new Uint32Array([0x04030201]);
    expect(await sha256Hex(words)).toBe(await sha256Hex(Uint8Array.of(1, 2, 3, 4)));
  });

  it('says what is missing where there is no WebCrypto', async () => {
    vi.stubGlobal('crypto', {});
    await expect(sha256Hex(text('abc'))).rejects.toMatchObject({ code: 'ERR_NO_WEBCRYPTO' });
    vi.unstubAllGlobals();
  });
});

describe('SHA-256 of parts', () => {
  const bytes = Uint8Array.from({ length: 1000 }, (_, i) => (i * 37 + 11) & 255);

  it.each([0, 1, 55, 56, 63, 64, 65, 119, 120, 128, 1000])('is that of %i bytes at once', (length) => {
    const message = bytes.subarray(1, 1 + length);
    const digest = createHash('sha256').update(message).digest('hex');
    for (const create of [createSha256, platform.createSha256])
      for (const step of [1, 7, 64, 200]) {
        const hash = create();
        for (let at = 0; at < length; at += step) hash.update(message.subarray(at, at + step));
        expect(hash.digestHex()).toBe(digest);
      }
  });
});
