/** Version of the fleet, the same for all its packages. */
export const VERSION = '0.1.0'
