import { Link } from '@tanstack/react-router';
import { buttonClass } from '../kit/button.js';
import { m } from '../messages/index.js';

/** The page for unknown addresses. */
export function Lost() {
  return (
    <div className="grid justify-items-center gap-3 py-24 text-center">
      <h1 className="text-lg font-semibold">{m.states.lostTitle}</h1>
      <p className="text-soft">{m.states.lost}</p>
      <Link to="/" className={buttonClass()}>
        {m.states.lostBack}
      </Link>
    </div>
  );
}
