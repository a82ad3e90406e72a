/** NIST SP 800-63B and OWASP ASVS: length counts, odd characters don't. */
export const SHORTEST_PASSWORD = 10;

export const PASSWORD_HELP = `At least ${SHORTEST_PASSWORD} characters; a few unrelated words are good.`;
