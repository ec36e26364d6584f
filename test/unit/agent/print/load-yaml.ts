import { readFileSync } from 'node:fs';
import { parse } from 'yaml';

export const loadYaml = <T>(file: string): T => parse(readFileSync(file, 'utf8')) as T;
