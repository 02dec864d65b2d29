import { useState } from 'react';
import { m } from '../messages/index.js';
import { useAnnounce } from './announcer.js';
import { Button } from './button.js';
import { messageOf } from './fault.js';

interface DownloadProps {
  readonly file: string;
  readonly load: () => Promise<Blob>;
}

/** Saves an answer of the API as a file. The request needs the user's token, which a plain link can't send. */
export function Download({ file, load }: DownloadProps) {
  const announce = useAnnounce();
  const [busy, setBusy] = useState(false);
  const save = async (): Promise<void> => {
    setBusy(true);
    try {
      const address = URL.createObjectURL(await load());
      const link = document.createElement('a');
      link.href = address;
      link.download = file;
      link.click();
      URL.revokeObjectURL(address);
    } catch (error) {
      announce(messageOf(error));
    } finally {
      setBusy(false);
    }
  };
  return (
    <Button icon="download" busy={busy} onClick={() => void save()}>
      {m.kit.csv}
    </Button>
  );
}
