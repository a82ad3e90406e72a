import{a,b,c}from"./chunk-7VC5CVWK.js";import"./chunk-PYJGBVYP.js";import"./chunk-OPJL7NGZ.js";export{a as load,b as quantiles,c as seen};
