import assert from "node:assert/strict";
import { test } from "node:test";
import { readVectors, vectorFiles, vectorsPresent } from "./folder.ts";
import type { Verdict, WycheproofCase, WycheproofFile } from "./wycheproof.ts";
import { type Family, families, notUsedYet } from "./wycheproof-families.ts";

if (vectorsPresent) {
  test("ok/every file of Wycheproof is run, or is of a primitive that is not used yet", () => {
    const files = vectorFiles("wycheproof").map((name) => name.replace(/\.json$/, ""));
    assert.deepEqual([...Object.keys(families), ...Object.keys(notUsedYet)].sort(), files);
  });

  for (const [file, family] of Object.entries(families)) {
    let known: readonly Judged[] | undefined;
    const judged = () => {
      known ??= judgedCases(readVectors<WycheproofFile>(`wycheproof/${file}.json`), family);
      return known;
    };

    test(`ok/${file}: what is valid is accepted, and what is acceptable comes to what was chosen`, (t) => {
      const cases = judged();
      const wrong = cases.filter(({ vector, verdict }) => {
        if (vector.result === "valid") return verdict !== "accepted";
        return vector.result === "acceptable" && !chosen(vector, family).includes(verdict);
      });
      assert.deepEqual(wrong.map(described), []);
      const { valid, acceptable, invalid } = counts(cases);
      const outside = family.notExpressible === 0 ? "" : `, ${family.notExpressible} have no form to ask in`;
      t.diagnostic(`${cases.length} cases: ${valid} valid, ${acceptable} acceptable, ${invalid} invalid${outside}`);
    });

    test(`fail/${file}: what is invalid is refused, and no case is lost`, () => {
      const cases = judged();
      const wrong = cases.filter(
        ({ vector, verdict }) => vector.result === "invalid" && !family.refusals.includes(verdict),
      );
      assert.deepEqual(wrong.map(described), []);
      const { valid, acceptable, invalid, notExpressible } = family;
      assert.deepEqual(counts(cases), { valid, acceptable, invalid });
      const all = readVectors<WycheproofFile>(`wycheproof/${file}.json`).testGroups.flatMap(({ tests }) => tests);
      assert.equal(all.length - cases.length, notExpressible);
    });
  }
}

interface Judged {
  readonly vector: WycheproofCase;
  readonly verdict: Verdict;
}

/** The cases that our function can be asked about. */
function judgedCases({ testGroups }: WycheproofFile, { judge }: Family): readonly Judged[] {
  return testGroups
    .flatMap((group) => group.tests.map((vector) => ({ vector, verdict: judge(vector, group) })))
    .filter(({ verdict }) => verdict !== "not-expressible");
}

function chosen({ flags = [] }: WycheproofCase, { choices }: Family): readonly Verdict[] {
  return choices.find(({ flag }) => flags.includes(flag))?.verdicts ?? [];
}

function counts(cases: readonly Judged[]) {
  const of = (result: WycheproofCase["result"]) => cases.filter(({ vector }) => vector.result === result).length;
  return { valid: of("valid"), acceptable: of("acceptable"), invalid: of("invalid") };
}

function described({ vector: { tcId, result, comment, flags }, verdict }: Judged): string {
  return `${tcId} ${result} (${comment}; ${(flags ?? []).join()}) came to ${verdict}`;
}
