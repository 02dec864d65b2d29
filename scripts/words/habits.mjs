// The worst habits of docs/contributing/writing.md: what to look for, and what to write instead.

/** For documents and the texts of the sources: error texts, API descriptions, settings. */
export const HABITS = [
  [
    /\b(?:nobody(?! to run it)|whoever|whomever|whosoever)\b/i,
    'name the subject: "no user", "anyone who", "the caller"',
  ],
  [
    /\bnone (?:that|of those|who)\b|(?<!there )\b(?:is|are) none\b(?! of)/i,
    'say what is not the case: "is not a valid address"',
  ],
  [/\bis there already\b|\bare there already\b/i, 'write "already exists"'],
  [/\ball the same\b/i, 'leave it out, or write "anyway"'],
  [/\blets? go of\b/i, 'write "releases" or "removes"'],
  [/\bcomes? to exist\b|\bcame? about\b/i, 'write "is created" or "happens"'],
  [/(?<!there )\b(?:is|are) no (?!longer\b|more\b)[a-z]+/i, 'write "is not a …"'],
  [/\b(?:key|secret|address|value|tenant|one|version) of before\b/i, 'write "the old …"'],
  [/\bis to be (?:made|had|said|told)\b|\bwas to be\b/i, 'use an active verb'],
  [/\bhas to do with it\b|\bso it is\b|\bthere is not\b/i, 'put the verb before its object'],
];

/** For comments and titles of tests, in addition. */
export const HABITS_OF_CODE = [
  [/\bsomebody\b/i, 'name the subject: "a caller", "another user"'],
  [/\bof before\b/i, 'write "the old …"'],
  [/\b(?:was|were) none\b(?! of)|\b(?:there is|there are|is there) none\b|\bnone such\b/i, 'say what is missing'],
  [/(?<!there )\b(?:was|were) no (?!longer\b|more\b)[a-z]+/i, 'write "was not a …"'],
  [/\b(?:very|selfsame) (?=(?:same|one|token|origin|words|bytes|transaction|key|turn)\b)/i, 'leave out "very"'],
  [/\bwhat (?:comes|came) of\b/i, 'name it: "the answer", "the result"'],
  [/\b(?:says|knows|holds|tells|makes) not\b/i, 'write "does not say"'],
  [/\bis to be\b|\bare to be\b/i, 'use an active verb'],
];
