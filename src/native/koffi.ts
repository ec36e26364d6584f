import koffi from 'koffi';

export { koffi };
