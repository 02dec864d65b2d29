import { clsx } from 'clsx';
import { useEffect, useRef, useState } from 'react';
import { m } from '../messages/index.js';
import { Button } from './button.js';

type Copied = 'no' | 'yes' | 'failed';

const SHOWN_MS = 2500;

interface CopyButtonProps {
  readonly text: string;
  readonly label?: string;
  /** The element to select where the browser refuses to copy, as it does on plain http and in frames. */
  readonly fallback?: () => HTMLElement | null;
  readonly onCopied?: () => void;
  readonly look?: 'outline' | 'ghost';
}

export function CopyButton({ text, label = m.kit.copy, fallback, onCopied, look = 'outline' }: CopyButtonProps) {
  const [copied, setCopied] = useState<Copied>('no');
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  useEffect(() => () => clearTimeout(timer.current), []);
  const copy = async (): Promise<void> => {
    try {
      await navigator.clipboard.writeText(text);
      setCopied('yes');
      onCopied?.();
      clearTimeout(timer.current);
      timer.current = setTimeout(() => setCopied('no'), SHOWN_MS);
    } catch {
      // Shown until the next try: a user who believes that the text was copied would lose it.
      setCopied('failed');
      select(fallback?.() ?? null);
    }
  };
  const said = { no: label, yes: m.kit.copied, failed: m.kit.copyFailed }[copied];
  return (
    <Button size="small" look={look} icon={copied === 'yes' ? 'check' : 'copy'} onClick={() => void copy()}>
      <span aria-live="polite">{said}</span>
    </Button>
  );
}

function select(element: HTMLElement | null): void {
  if (element === null) return;
  const range = document.createRange();
  range.selectNodeContents(element);
  const selection = getSelection();
  selection?.removeAllRanges();
  selection?.addRange(range);
}

/** Code to paste elsewhere. */
export function CodeBlock({ code, label, className }: { code: string; label: string; className?: string }) {
  return (
    <div className={clsx('overflow-hidden rounded-lg bg-code text-code-ink', className)}>
      <div className="flex items-center justify-between gap-2 border-b border-white/10 py-1 pr-1.5 pl-3.5">
        <span className="text-xs text-code-ink/75">{label}</span>
        <CopyLight text={code} />
      </div>
      <pre tabIndex={0} aria-label={label} className="overflow-x-auto p-3.5 font-mono text-xs leading-relaxed">
        {code}
      </pre>
    </div>
  );
}

/** A copy button on the dark ground of code, in both themes. */
function CopyLight({ text }: { text: string }) {
  return (
    <div className="[&_button]:text-code-ink [&_button:hover]:bg-white/10 [&_button:hover]:text-white">
      <CopyButton text={text} look="ghost" />
    </div>
  );
}
