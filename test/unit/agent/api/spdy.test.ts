import { constants, createDeflate, createInflate } from 'node:zlib';
import t from 'tap';
import { dictionary } from '../../../../src/agent/api/spdy/dictionary.ts';
import {
  CONTROL,
  controlFrame,
  dataFrame,
  type Frame,
  FrameReader,
  parseHeaders,
  uint32s,
} from '../../../../src/agent/api/spdy/frames.ts';
import { SpdySession, type SpdyStream } from '../../../../src/agent/api/spdy/session.ts';
import { duplexPair } from './duplex-pair.ts';

/** A client: its header blocks are one compressed text, as kubectl's. */
function client(onStream: (stream: SpdyStream) => void) {
  const [ours, theirs] = duplexPair();
  const session = new SpdySession(theirs, onStream);
  const deflate = createDeflate({ dictionary: dictionary(), flush: constants.Z_SYNC_FLUSH });
  const frames: Frame[] = [];
  const reader = new FrameReader();
  ours.on('data', chunk => frames.push(...reader.push(chunk)));
  let isClosed = false;
  ours.on('close', () => {
    isClosed = true;
  });
  ours.on('error', () => {});
  const open = async (id: number, headers: Record<string, string>, flags = 0): Promise<void> => {
    const texts = Object.entries(headers)
      .flat()
      .map(text => Buffer.from(text));
    const block = Buffer.concat([
      uint32s(texts.length / 2),
      ...texts.flatMap(text => [uint32s(text.length), text]),
    ]);
    const compressed = await new Promise<Buffer>(resolve => {
      const parts: Buffer[] = [];
      deflate.on('data', part => parts.push(part));
      deflate.write(block, () => {
        deflate.removeAllListeners('data');
        resolve(Buffer.concat(parts));
      });
    });
    ours.write(
      controlFrame(CONTROL.SYN_STREAM, Buffer.concat([uint32s(id, 0), Buffer.of(0, 0), compressed]), flags),
    );
  };
  return { session, ours, frames, open, isClosed: () => isClosed };
}

async function until(condition: () => boolean): Promise<boolean> {
  for (let i = 0; i < 200 && !condition(); i++) await new Promise(resolve => setTimeout(resolve, 5));
  return condition();
}

t.test('the dictionary is that of SPDY/3', t => {
  let [a, b] = [1, 0];
  for (const byte of dictionary()) {
    a = (a + byte) % 65521;
    b = (b + a) % 65521;
  }
  t.equal(dictionary().length, 1423);
  t.equal((b * 65536 + a).toString(16), 'e3c6a7c2', 'its Adler-32, which clients send');
  t.end();
});

t.test('streams are opened, answered, and carry data both ways', async t => {
  const streams: SpdyStream[] = [];
  const { ours, frames, open } = client(stream => {
    streams.push(stream);
    stream.onData = chunk => stream.write(Buffer.from(`<${chunk}>`));
    stream.onEnd = () => stream.end();
  });
  await open(1, { streamtype: 'error', port: '80' });
  await open(3, { streamtype: 'data', port: '80' });
  ours.write(dataFrame(3, Buffer.from('hello')));
  ours.write(dataFrame(3, Buffer.alloc(0), true));
  ours.write(controlFrame(CONTROL.PING, uint32s(7)));
  t.ok(await until(() => frames.length === 5));
  t.strictSame(
    streams.map(({ headers }) => headers.get('streamtype')),
    ['error', 'data'],
  );
  const [one, other, data, end, ping] = frames;
  t.match([one, other], [{ type: CONTROL.SYN_REPLY }, { type: CONTROL.SYN_REPLY }]);
  t.match(data, { streamId: 3, data: Buffer.from('<hello>') });
  t.match(end, { streamId: 3, isLast: true });
  t.match(ping, { type: CONTROL.PING, data: uint32s(7) });
  // What a client does with the header blocks of the replies.
  const inflate = createInflate({ dictionary: dictionary() });
  let block = Buffer.alloc(0);
  inflate.on('data', part => {
    block = Buffer.concat([block, part]);
  });
  for (const frame of [one, other])
    await new Promise(resolve => inflate.write(frame?.data.subarray(4) ?? '', resolve));
  t.strictSame([...parseHeaders(block.subarray(0, 4)), block.length], [8], 'two blocks without headers');
});

t.test('a client that goes resets its streams', async t => {
  let isReset = false;
  const { ours, open, session } = client(stream => {
    stream.onReset = () => {
      isReset = true;
    };
  });
  await open(1, { streamtype: 'data' });
  await new Promise(resolve => setTimeout(resolve, 20));
  ours.destroy();
  await session.closed();
  t.ok(isReset);
});

t.test('what is no SPDY ends the connection', async t => {
  const wrong = {
    'another version': Buffer.from([0x80, 0x02, 0x00, 0x01, 0, 0, 0, 0]),
    'a frame without end': Buffer.from([0, 0, 0, 1, 0, 0xff, 0xff, 0xff]),
    'a header block that is none': controlFrame(CONTROL.SYN_STREAM, Buffer.from('0000000000garbage')),
    'a frame that is cut': controlFrame(CONTROL.SYN_STREAM, Buffer.alloc(4)),
  };
  for (const [what, bytes] of Object.entries(wrong)) {
    const { ours, isClosed } = client(() => {});
    ours.write(bytes);
    t.ok(await until(isClosed), what);
  }
  const bomb = client(() => {});
  await bomb.open(1, { name: 'x'.repeat(200_000) });
  t.ok(await until(bomb.isClosed), 'a header block that grows');
});
