/** What the pages use of the library that `/site/vendor/preact.js` serves. */

export interface Node {
  readonly type: unknown
}
export declare function html(strings: TemplateStringsArray, ...values: unknown[]): Node
export declare function render(node: Node, parent: Element): void
export declare function useState<T>(initial: T): [T, (value: T | ((before: T) => T)) => void]
export declare function useEffect(run: () => (() => void) | undefined | void, inputs: readonly unknown[]): void
export declare function useRef<T>(initial: T): { current: T }
