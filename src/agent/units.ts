import type { Roots } from '../oci/pod-paths.ts';
import { agentArguments, agentSocket } from './start.ts';

/** Where podspace is, and what runs it. */
export interface Program {
  readonly node: string;
  readonly podspace: string;
}

/** A word of a unit's command line (systemd.syntax(7)). */
const word = (text: string): string =>
  `"${text.replace(/["\\]/g, '\\$&').replaceAll('%', '%%').replaceAll('$', '$$$$')}"`;

/** A value of a unit that is no command line. */
const plain = (text: string): string => text.replaceAll('%', '%%');

/** The units that run the agent under systemd: the socket, which starts it, and the service. By file name. */
export function systemdUnits(roots: Roots, { node, podspace }: Program): Readonly<Record<string, string>> {
  const command = [node, podspace, ...agentArguments(roots)].map(word).join(' ');
  return {
    'podspace.socket': `[Unit]
Description=podspace agent socket

[Socket]
ListenStream=${plain(agentSocket(roots))}
SocketMode=0600

[Install]
WantedBy=sockets.target
`,
    'podspace.service': `[Unit]
Description=podspace agent
Requires=podspace.socket
After=podspace.socket network.target local-fs.target

[Service]
ExecStart=${command}
Restart=on-failure
# The pods are not the agent's: they go on without it, and the next one takes them over.
KillMode=process
Delegate=yes
OOMScoreAdjust=-999
LimitNOFILE=1048576
TasksMax=infinity

[Install]
WantedBy=multi-user.target
`,
  };
}
