import { useState } from 'react';
import { m } from '../messages/index.js';
import { useAnnounce } from './announcer.js';
import { Button } from './button.js';
import { messageOf } from './fault.js';

interface DownloadProps {
  readonly file: string;
  readonly load: () => Promise<Blob>;
}

/** Saves what the API answers as a file: it asks for the user's token, which no plain link has. */
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
