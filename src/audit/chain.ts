/** The chain of seals as a whole, and digests of it that are kept elsewhere. */
import { BadInput } from '../domain/errors.js';
import type { Seal } from '../domain/model.js';
import type { AuditReader } from '../engines/contract.js';

const AT_ONCE = 1_000;
/** The clocks of two machines differ by less. */
export const CLOCKS_DIFFER_MS = 300_000;

/** What one line says that was kept elsewhere: so many seals, and the root of the last one, which contains all others. */
export interface Digest {
  readonly storeID: string;
  readonly seals: number;
  readonly root: string;
  /** When it was made. */
  readonly at?: string | undefined;
}

export interface Chain {
  readonly storeID: string;
  readonly seals: number;
  readonly root: string;
  /** What is wrong with it, each in a sentence. */
  readonly findings: readonly string[];
}

const NO_SEALS = '-';

/** Reads the chain, and holds it against the digests. */
export async function readChain(reader: AuditReader, digests: readonly Digest[] = []): Promise<Chain> {
  const storeID = await reader.storeID();
  const findings = digests.filter((digest) => digest.storeID !== storeID).map(ofOtherStore(storeID));
  const due = rootsByCount(digests.filter((digest) => digest.storeID === storeID));
  const antedated = antedatedBy(digests.filter((digest) => digest.storeID === storeID));
  let last: Seal | undefined;
  for (;;) {
    const seals = await reader.seals({ after: last?.SealNo ?? 0, limit: AT_ONCE });
    for (const seal of seals) {
      findings.push(...gapsBetween(last, seal), ...antedated(seal));
      for (const root of due.get(seal.SealNo) ?? []) {
        if (root === seal.Root) continue;
        findings.push(
          `the digest of ${seal.SealNo} seals has another root, ${root.slice(0, 8)}…: one of the seals up to ${seal.SealNo}, or what it seals, was changed`,
        );
      }
      due.delete(seal.SealNo);
      last = seal;
    }
    if (seals.length < AT_ONCE) break;
  }
  due.delete(0);
  for (const seals of due.keys()) {
    findings.push(`the digest has ${seals} seals, and there are ${last?.SealNo ?? 0}: the end was cut off`);
  }
  return { storeID, seals: last?.SealNo ?? 0, root: last?.Root ?? NO_SEALS, findings };
}

/** A file of digests has one of them twice when nothing was sealed in between, or when what was sealed was made anew. */
function rootsByCount(digests: readonly Digest[]): Map<number, Set<string>> {
  const roots = new Map<number, Set<string>>();
  for (const { seals, root } of digests) roots.set(seals, (roots.get(seals) ?? new Set()).add(root));
  return roots;
}

/** A seal that a digest does not have yet was made after it, whatever it says of itself. It says so once of each digest. */
function antedatedBy(digests: readonly Digest[]): (seal: Seal) => string[] {
  const due = digests.filter(({ at }) => at !== undefined).sort((a, b) => a.seals - b.seals) as Array<
    Digest & { at: string }
  >;
  let latest: (Digest & { at: string }) | undefined;
  let told: Digest | undefined;
  return ({ SealNo, SealedAt }) => {
    while (due[0] && due[0].seals < SealNo) {
      const next = due.shift()!;
      if (!latest || next.at > latest.at) latest = next;
    }
    if (!latest || latest === told) return [];
    if (Date.parse(SealedAt) + CLOCKS_DIFFER_MS >= Date.parse(latest.at)) return [];
    told = latest;
    return [
      `seal ${SealNo} says that it is of ${SealedAt}, and the digest of ${latest.at} does not have it: it was made later, or clocks are wrong`,
    ];
  };
}

function ofOtherStore(storeID: string): (digest: Digest) => string {
  return (digest) =>
    `the digest is of the store ${digest.storeID}, and this one is ${storeID}. Compare it with the audit that it was made of`;
}

function gapsBetween(last: Seal | undefined, seal: Seal): string[] {
  const expected = (last?.SealNo ?? 0) + 1;
  if (seal.SealNo !== expected) return [`seal ${expected} is missing`];
  if (seal.PrevRoot !== (last?.Root ?? null)) {
    return [`seal ${seal.SealNo} does not continue seal ${seal.SealNo - 1}: one of them was changed`];
  }
  return [];
}

const FORMAT =
  /^batchtrail-digest-1 store=(\S+) seals=(\d+) root=([0-9a-f]{64}|-)(?: at=(\d{4}-\d\d-\d\dT[\d:.]+Z))?$/;

export function formatDigest({ storeID, seals, root }: Digest, now: string): string {
  return `batchtrail-digest-1 store=${storeID} seals=${seals} root=${root} at=${now}`;
}

/** The digests of a file, one in a line. */
export function parseDigests(text: string, file: string): Digest[] {
  const lines = text.split(/\r?\n/).filter((line) => line.trim() !== '');
  if (lines.length === 0) throw new BadInput(`${file} is empty. Make one with: batchtrail digest > ${file}`);
  return lines.map((line, index) => {
    const [, storeID = '', seals, root = '', at] = FORMAT.exec(line.trim()) ?? [];
    if (seals === undefined) {
      throw new BadInput(
        `Line ${index + 1} of ${file} is no digest: ${JSON.stringify(line.slice(0, 60))}. Keep lines as batchtrail digest prints them`,
      );
    }
    return { storeID, seals: Number(seals), root, at };
  });
}
