/**
 * Lint rules of our own. `suppression-reason`: a comment that silences a rule names it and says why:
 *
 *   // eslint-disable-next-line @typescript-eslint/no-base-to-string -- the client prints this object by itself
 */

const DIRECTIVE = /^\s*eslint-disable(?:-next-line|-line)?(?=\s|$)/;
const REASON = /\s-{2,}\s(?<reason>.*)$/s;
const MIN_REASON_LENGTH = 15;

const suppressionReason = {
  meta: {
    type: 'problem',
    docs: { description: 'A suppression names the rules that it silences, and its reason.' },
    schema: [],
    messages: {
      blanket: 'Name the rule that is silenced: this comment silences all of them.',
      reason: 'Say why the rule is silenced: `eslint-disable… rule -- the reason`.',
      self: 'This rule cannot be silenced.',
    },
  },
  create(context) {
    // ESLint drops a report that lies at or behind the comment that silences it. This report is put before the comment's line,
    // so that even a blanket suppression can't hide that its own reason is missing.
    const report = (comment, messageId) =>
      context.report({ loc: { line: comment.loc.start.line, column: -1 }, messageId });
    return {
      Program() {
        for (const comment of context.sourceCode.getAllComments()) {
          if (!DIRECTIVE.test(comment.value)) continue;
          const rules = comment.value.replace(DIRECTIVE, '').replace(REASON, '').trim();
          const reason = REASON.exec(comment.value)?.groups.reason.trim() ?? '';
          if (rules === '') report(comment, 'blanket');
          else if (rules.includes('gatehouse/suppression-reason')) report(comment, 'self');
          else if (reason.length < MIN_REASON_LENGTH) report(comment, 'reason');
        }
      },
    };
  },
};

export const gatehouseRules = { rules: { 'suppression-reason': suppressionReason } };
