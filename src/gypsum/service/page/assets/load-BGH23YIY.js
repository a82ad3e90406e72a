import{a,b,c}from"./chunk-CVOZ4KI2.js";import"./chunk-IRPCUQ6K.js";import"./chunk-OPJL7NGZ.js";export{a as load,b as quantiles,c as seen};
