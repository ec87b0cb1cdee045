import { describe, expect, it, vi } from 'vitest';
import { sha256Hex } from '../../src/platform/hash.js';

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
