// Watches a run: reads the server-sent events of /film, comes back when the
// connection is lost, and says how it stands.
const RETRY = 3000,
  SILENCE = 3500;

export class Watch {
  // on.run, on.steps, on.note, on.state are told what comes.
  constructor(on) {
    this.on = on;
    this.next = -1;
    this.run = '';
    this.heard = performance.now();
    this.state = 'connecting';
    this.reason = '';
    this.retryAt = 0;
    setInterval(() => this.check(), 250);
    this.connect();
    // A page that is left may be kept for a while by the browser; it watches no more.
    addEventListener('pagehide', () => {
      this.left = true;
      this.abort?.abort();
    });
    addEventListener('pageshow', e => {
      if (e.persisted) {
        this.left = false;
        this.connect();
      }
    });
  }

  check() {
    const now = performance.now();
    if (this.state === 'open' && now - this.heard > SILENCE) {
      this.lose('nothing comes any more');
      this.abort?.abort();
    }
    if (this.state === 'lost' && !this.left && now >= this.retryAt) this.connect();
    this.on.state(this);
  }

  retry() {
    if (this.state === 'lost') this.connect();
  }

  lose(reason) {
    if (this.state === 'lost') return;
    this.state = 'lost';
    this.reason = reason;
    this.retryAt = performance.now() + RETRY;
    this.on.state(this);
  }

  async connect() {
    this.state = 'connecting';
    const abort = (this.abort = new AbortController());
    const slow = setTimeout(() => {
      if (this.state === 'connecting') abort.abort();
    }, RETRY);
    try {
      const answer = await fetch(`film?from=${this.next}&run=${this.run}`, { signal: abort.signal, cache: 'no-store' });
      clearTimeout(slow);
      if (!answer.ok) {
        this.lose((await answer.text()).trim());
        return;
      }
      this.state = 'open';
      this.heard = performance.now();
      await this.read(answer.body);
      this.lose('the connection was closed');
    } catch (e) {
      clearTimeout(slow);
      if (this.abort === abort) this.lose('the run cannot be reached');
    }
  }

  // Cuts the stream into events: lines up to an empty one.
  async read(body) {
    const reader = body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = '';
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      this.heard = performance.now();
      rest += value;
      let at;
      while ((at = rest.indexOf('\n\n')) >= 0) {
        const lines = rest.slice(0, at).split('\n');
        rest = rest.slice(at + 2);
        const field = name => lines.find(l => l.startsWith(name + ': '))?.slice(name.length + 2);
        this.take(field('event'), field('data'), field('id'));
      }
    }
  }

  take(event, data, id) {
    const value = JSON.parse(data);
    if (event === 'run') {
      const anew = value.run !== this.run || this.next < 0;
      this.run = value.run;
      this.on.run(value, anew);
    }
    if (event === 'steps') this.on.steps(value);
    if (event === 'note') this.on.note(value);
    if (event === 'behind') {
      this.next = -1;
      this.run = '';
    }
    if (id) this.next = Number(id);
  }
}
