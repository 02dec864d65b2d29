import { PageHead } from '../../kit/surface.js';
import { m } from '../../messages/index.js';
import { ModelsPanel } from './models-panel.js';
import { ProvidersPanel } from './providers-panel.js';
import { RoutesPanel } from './routes-panel.js';

export default function Models() {
  return (
    <>
      <PageHead title={m.models.title} lead={m.models.lead} />
      <div className="grid grid-cols-[minmax(0,1fr)] gap-4">
        <ProvidersPanel />
        <RoutesPanel />
        <ModelsPanel />
      </div>
    </>
  );
}
